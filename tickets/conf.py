"""
The numbers of test results and trackers, with their defaults.

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
    #: Largest attachment, in bytes.
    "ATTACHMENT_LIMIT": 100 * 1024**2,
    #: Where people reach this installation; tickets lead back there. Empty: they do not.
    "PUBLIC_URL": "",
    #: Until a tracker's socket is open; between two bytes of it; for a whole operation.
    "TRACKER_CONNECT_TIMEOUT": timedelta(seconds=3),
    "TRACKER_READ_TIMEOUT": timedelta(seconds=10),
    "TRACKER_TIMEOUT": timedelta(seconds=30),
    #: Largest answer of a tracker, in bytes.
    "TRACKER_ANSWER_LIMIT": 2 * 1024**2,
    #: Operations in a row that find a tracker unreachable before nobody asks it for a while.
    "TRACKER_FAILURES": 5,
    #: That while; it doubles with each further failure, up to ten minutes.
    "TRACKER_PAUSE": timedelta(seconds=30),
    #: Refused logins in a row before nobody tries it again; trackers lock accounts.
    "TRACKER_LOGINS": 3,
    #: Whether base URLs may begin with `http://`.
    "TRACKER_HTTP": False,
    #: Networks that trackers may be in, besides the public ones: `10.0.0.0/8`.
    "TRACKER_NETWORKS": (),
}


def __getattr__(name: str) -> Any:
    """Return the setting: `conf.UNPACKED_LIMIT` is `settings.TICKETS["UNPACKED_LIMIT"]`, else the default."""
    try:
        default = DEFAULTS[name]
    except KeyError:
        raise AttributeError(name) from None
    return getattr(settings, "TICKETS", {}).get(name, default)
