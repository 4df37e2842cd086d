"""The published versions: their paths, their spelling, and what their filters take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backgroundtasks import conf

if TYPE_CHECKING:
    from collections.abc import Mapping


_OLDEST: Final = {
    "id": ("eq", "in"),
    "sourceId": ("eq", "in"),
    "completionStatus": ("eq", "in"),
    "type": ("eq", "in"),
}
_WITH_ISNULL: Final = {**_OLDEST, "completionStatus": ("eq", "in", "isnull")}
_WITH_LAUNCHER: Final = {**_WITH_ISNULL, "launcher": ("eq", "in")}


@dataclass(frozen=True, slots=True)
class Version:
    """One of the bases that clients are configured with."""

    #: As the vendor names it: `v1`, `beta`.
    name: str
    #: From the mount point: `task-status/v1`, `beta/task-status`.
    path: str
    operators: Mapping[str, tuple[str, ...]]
    #: It has (or its clients call) `pending-tasks`.
    pending: bool

    @property
    def title_case(self) -> bool:
        """Whether `completionStatus` is written as `Success`, not as `SUCCESS`."""
        return self.name == "beta" and not conf.SAILPOINT_BETA_UPPER_CASE


VERSIONS: Final = (
    Version("v1", "task-status/v1", _WITH_LAUNCHER, pending=False),
    # The vendor took pending-tasks out of v2026; its clients of that version still call it.
    Version("v2026", "v2026/task-status", _WITH_LAUNCHER, pending=True),
    Version("v2025", "v2025/task-status", _WITH_ISNULL, pending=True),
    Version("v2024", "v2024/task-status", _OLDEST, pending=True),
    Version("beta", "beta/task-status", _OLDEST, pending=True),
)
