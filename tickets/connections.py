"""From what an account wrote down about a tracker to the tracker itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from backgroundtasks.exceptions import SecretUnreadable
from tickets import credentials, trackers

if TYPE_CHECKING:
    from datetime import timedelta

    from tickets.models import ExternalSystem, ExternalSystemLink
    from tickets.trackers.builtin import BuiltinTracker

#: Looks like a project of the kind, for connections that none was named for yet.
_PROJECTS: Final = {
    "builtin": "TST",
    "github": "owner/repository",
    "jira": "TST",
    "redmine": "tst",
}


def of_system(system: ExternalSystem, *, project: str = "") -> trackers.Connection:
    """
    Return how an external system is reached, for one project inside it.

    Raises:
        SecretUnreadable: its password cannot be opened.
    """
    return trackers.Connection(
        id=system.pk,
        kind=system.kind,
        name=system.name,
        account_id=system.account_id,
        base_url=system.base_url,
        user_name=system.user_name,
        secret=credentials.password(system),
        project=project,
        settings=system.settings,
    )


def tracker_of(link: ExternalSystemLink, *, within: timedelta | None = None) -> trackers.Tracker:
    """
    Return the tracker of a link, without asking it anything.

    Args:
        link: With its external system.
        within: How long one question may take; None: `TRACKER_TIMEOUT`.

    Raises:
        ConnectionInvalid: something is missing or wrong.
    """
    try:
        connection = of_system(link.external_system, project=link.tracker_project)
    except SecretUnreadable as error:
        raise trackers.errors.ConnectionInvalid(link.external_system.name, [str(error)]) from None
    return trackers.connect(connection, within=within)


def tracker_here(link: ExternalSystemLink) -> BuiltinTracker:
    """Return the tracker of a link which is our own database: it takes part in transactions."""
    return cast("BuiltinTracker", tracker_of(link))


def problems(system: ExternalSystem, *, project: str | None = None) -> list[str]:
    """
    Return what keeps an external system from being used, in sentences.

    Args:
        system: With everything that was written down.
        project: Of a link; None: the system by itself, whose links will name their projects.
    """
    try:
        if project is None:
            project = _PROJECTS.get(system.kind, "")
        connection = of_system(system, project=project)
    except SecretUnreadable:
        return ["Its password cannot be read any more: give it anew."]
    return trackers.problems(connection)
