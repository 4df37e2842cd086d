"""
What apps leave behind where no row goes with a run: files that expire, for instance.

An app says in `AppConfig.ready()` how they are removed; the installation's `CleanGPJobs` does it,
every hour unless somebody gave it other times:

    leftovers.register("files", uploads.remove_leftovers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    #: Yields how many it removed, a little at a time; between two of them it may be stopped.
    Remover = Callable[[], Iterator[int]]

_removers: dict[str, Remover] = {}


def register(name: str, remove: Remover) -> None:
    """
    Have something removed by the cleaner; in `AppConfig.ready()`.

    Args:
        name: Of what is counted, as the cleaner's result has it: `files`.
        remove: Removes all that there is; it may be called again at any time.
    """
    _removers[name] = remove


def registered() -> Mapping[str, Remover]:
    """Return what apps named, in the order in which they did."""
    return dict(_removers)
