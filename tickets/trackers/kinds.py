"""The kinds of trackers, what each wants to know, and the way from a connection to its tracker."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from tickets.trackers import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from tickets.trackers.protocol import Connection, Tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of tracker."""

    #: For people.
    title: str
    #: `module.Class` of this package.
    tracker: str
    #: Of a connection's own fields, those that must not be empty.
    needs: tuple[str, ...]
    #: What may stand in `Connection.settings`: name to meaning.
    settings: Mapping[str, str]


KINDS: Final[Mapping[str, Kind]] = {
    "builtin": Kind(
        title="Built-in",
        tracker="builtin.BuiltinTracker",
        needs=("account_id", "project"),
        settings={},
    ),
    "github": Kind(
        title="GitHub",
        tracker="github.GithubTracker",
        needs=("base_url", "secret", "project"),
        settings={},
    ),
    "jira": Kind(
        title="Jira",
        tracker="jira.JiraTracker",
        needs=("base_url", "secret"),
        settings={
            "edition": "`cloud` or `datacenter`; by the host when it is not said.",
            "issue_type": "Of tickets that are made; `Bug` when it is not said.",
        },
    ),
    "redmine": Kind(
        title="Redmine",
        tracker="redmine.RedmineTracker",
        needs=("base_url", "secret", "project"),
        settings={"in_progress": "Names of statuses that mean that somebody is at it."},
    ),
    "roundup": Kind(
        title="Roundup",
        tracker="roundup.RoundupTracker",
        needs=("base_url", "user_name", "secret"),
        settings={
            "class": "The class of its items; `issue` when it is not said.",
            "done": "Names of statuses that mean that nothing is to be done any more.",
            "in_progress": "Names of statuses that mean that somebody is at it.",
        },
    ),
}

#: Settings that are lists of texts; the others are texts.
_LISTS: Final = {"done", "in_progress"}
#: What a field is called where people fill it in.
_TITLES: Final = {
    "account_id": "an account",
    "base_url": "a base URL",
    "user_name": "a user name",
    "secret": "a password or token",
    "project": "the tracker's project",
}


def problems(connection: Connection) -> list[str]:
    """Return what keeps a connection from being used, in sentences; empty when nothing does."""
    kind = KINDS.get(connection.kind)
    if kind is None:
        return [f"There is no kind of tracker {errors.shown(connection.kind)}."]
    found = [f"It needs {_TITLES[name]}." for name in kind.needs if not getattr(connection, name)]
    for name, value in sorted(connection.settings.items()):
        if name not in kind.settings:
            found.append(f"There is no setting {errors.shown(name)}.")
        elif not _fits(name, value):
            found.append(
                f"The setting {name} is {'a list of texts' if name in _LISTS else 'a text'}."
            )
    return found or list(_class(kind).problems_of(connection))


def connect(connection: Connection, *, within: timedelta | None = None) -> Tracker:
    """
    Return a connection's tracker, without asking it anything.

    Args:
        connection: How it is reached.
        within: How long one question may take; None: `TRACKER_TIMEOUT`.

    Raises:
        ConnectionInvalid: something is missing or wrong.
        AddressRefused: the base URL is none that we go to.
    """
    if found := problems(connection):
        raise errors.ConnectionInvalid(connection.name, found)
    return cast("Tracker", _class(KINDS[connection.kind])(connection, within))


def _fits(name: str, value: Any) -> bool:
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _class(kind: Kind) -> Any:
    """Import the class of a kind; one that is not used costs nothing."""
    module, _, name = kind.tracker.rpartition(".")
    return getattr(import_module(f"tickets.trackers.{module}"), name)
