"""
Whether the installation is closed for maintenance: a marker file, outside the database.

While it is there the web server answers 503, workers do not start, and a backup may be
restored. Several machines need a folder that they share, or a marker each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from backgroundtasks import conf

_MARKER: Final = "closed"


def folder() -> Path | None:
    """Return the folder of maintenance; None where none is set."""
    return Path(conf.MAINTENANCE_DIR) if conf.MAINTENANCE_DIR else None


def is_closed() -> bool:
    """Return whether the installation is closed; one look at the file system."""
    place = conf.MAINTENANCE_DIR
    # os.path: asked at every request, where a Path costs more than the look itself.
    return bool(place) and os.path.exists(f"{place}/{_MARKER}")  # noqa: PTH110


def reason() -> str:
    """Return why it is closed, for people; empty when it is not, or nobody said."""
    place = folder()
    try:
        return (place / _MARKER).read_text().strip() if place else ""
    except FileNotFoundError:
        return ""


def close(why: str) -> None:
    """Close the installation; it stays closed until `reopen`."""
    place = _needed()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = place / f"{_MARKER}.{os.getpid()}"
    draft.write_text(f"{why}\n")
    draft.replace(place / _MARKER)


def reopen() -> None:
    """Open it again; fine when it is open."""
    (_needed() / _MARKER).unlink(missing_ok=True)


def _needed() -> Path:
    place = folder()
    if place is None:
        raise ValueError(
            "No folder for maintenance is set: settings.TASKCENTER['MAINTENANCE_DIR']."
        )
    return place
