"""
The numbers of test results, with their defaults.

A project overrides them in `settings.TICKETS`, by the same names. Sizes are bytes,
durations `timedelta`. How large an upload may be is the core's `UPLOAD_LIMIT`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    #: What the reports of one zip may unpack to together.
    "UNPACKED_LIMIT": 8 * 1024**3,
    #: Uploads and staged rows older than this belong to nobody any more and are removed.
    "ABANDONED_AFTER": timedelta(days=7),
    #: How long the file of an export can be fetched.
    "EXPORTS_KEPT": timedelta(days=7),
    #: Where people reach this installation; tickets lead back there. Empty: they do not.
    "PUBLIC_URL": "",
}


def __getattr__(name: str) -> Any:
    """Return the setting: `conf.UNPACKED_LIMIT` is `settings.TICKETS["UNPACKED_LIMIT"]`, else the default."""
    try:
        default = DEFAULTS[name]
    except KeyError:
        raise AttributeError(name) from None
    return getattr(settings, "TICKETS", {}).get(name, default)
