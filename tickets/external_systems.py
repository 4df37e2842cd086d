"""Changing what is written down about a tracker, by the API and by operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tickets import connections, credentials

if TYPE_CHECKING:
    from tickets.models import ExternalSystem


class SystemRefused(Exception):
    """It cannot be written down like this; the text is for people."""


def place(system: ExternalSystem, base_url: str | None, password: str | None) -> None:
    """
    Put a base URL and a password into the row; None leaves the one or the other as it is.

    Raises:
        SystemRefused: another base URL without the password: it is not sent elsewhere.
    """
    if base_url is not None and (url := base_url.strip().rstrip("/")) != system.base_url:
        if credentials.given(system) and password is None:
            raise SystemRefused("Another base URL asks for the password again.")
        system.base_url = url
    if password is not None:
        credentials.keep(system, password)


def switch(system: ExternalSystem, *, on: bool) -> None:
    """
    Say whether the system is used; one that is not complete can always be switched off.

    Raises:
        SystemRefused: it is to be used, and is not complete.
    """
    system.enabled = on
    if on:
        settle(system)


def settle(system: ExternalSystem) -> None:
    """
    Let the row be used from now on, whatever went wrong before: who changes it wants it tried.

    Raises:
        SystemRefused: it is not complete, or leads where nothing of ours goes.
    """
    if found := connections.problems(system):
        raise SystemRefused(" ".join(found))
    system.failures = system.refused_logins = 0
    system.open_until = None
    system.problem = ""
