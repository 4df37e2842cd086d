"""
Passwords and tokens for external systems: sealed at rest, and bound to where they are sent.

Nobody sees them again: the APIs and the admin say only whether there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backgroundtasks.exceptions import SecretUnreadable
from backgroundtasks.handlers import secrets

if TYPE_CHECKING:
    from tickets.models import ExternalSystem


def keep(system: ExternalSystem, password: str) -> None:
    """Put a password into the row for its present base URL; an empty one takes it away."""
    system.credentials = (
        secrets.seal_object({"for": system.base_url, "password": password}) if password else None
    )


def given(system: ExternalSystem) -> bool:
    """Return whether there is a password, readable or not."""
    return system.credentials is not None


def password(system: ExternalSystem) -> str:
    """
    Return the password, for the connector alone; empty without one.

    Raises:
        SecretUnreadable: no data key opens it, or it was given for another base URL.
    """
    if system.credentials is None:
        return ""
    opened = secrets.unseal_object(system.credentials)
    if opened.get("for") != system.base_url:
        raise SecretUnreadable
    return str(opened["password"])
