"""
Who may start a task type.

A handler names its permissions in a tuple, and all must be met. An empty tuple refuses
everybody: a handler that forgot to say who may start it may be started by no one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from backgroundtasks import exceptions
from backgroundtasks.models.account import SECURITY_AND_INFRASTRUCTURE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from backgroundtasks.handlers.actor import Actor

#: Each role includes the ones before it.
_ROLES: Final = ("viewer", "member", "admin")


class Permission(Protocol):
    """One condition."""

    def missing(self, actor: Actor) -> str | None:
        """Return what the actor lacks, for people; None when the condition is met."""


@dataclass(frozen=True, slots=True)
class Role:
    """The actor has this role in the account, or a higher one: `viewer`, `member`, `admin`."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a role that does not exist, when the handler's class is made."""
        if self.name not in _ROLES:
            raise ValueError(f"There is no role {self.name!r}; the roles are {', '.join(_ROLES)}.")

    def missing(self, actor: Actor) -> str | None:
        """Return the role that is missing."""
        held = _ROLES.index(actor.role) if actor.role in _ROLES else -1
        return None if held >= _ROLES.index(self.name) else f"the role {self.name} in the account"


@dataclass(frozen=True, slots=True)
class DjangoPermission:
    """The user has this Django permission: `app_label.codename`."""

    name: str

    def missing(self, actor: Actor) -> str | None:
        """Return the permission that is missing."""
        return None if actor.user.has_perm(self.name) else f"the permission {self.name}"


@dataclass(frozen=True, slots=True)
class InstallationOperator:
    """The user operates the whole installation (a superuser)."""

    def missing(self, actor: Actor) -> str | None:
        """Return that it takes an operator."""
        return None if actor.is_operator else "an operator of the installation"


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """It is started in the reserved account of installation-wide work."""

    def missing(self, actor: Actor) -> str | None:
        """Return that it takes the system account."""
        return None if actor.account.is_system else "to be done in the system account"


@dataclass(frozen=True, slots=True)
class SecurityAndInfrastructure:
    """The user has the permission of this name; operators of the installation have it."""

    def missing(self, actor: Actor) -> str | None:
        """Return the permission that is missing."""
        # A superuser has every permission.
        return DjangoPermission(SECURITY_AND_INFRASTRUCTURE).missing(actor)


#: For work on the installation itself.
INSTALLATION: Final = (SystemAccount(), InstallationOperator())
#: For backing up and checking it.
SECURITY: Final = (SystemAccount(), SecurityAndInfrastructure())


def lack(permissions: Iterable[Permission], actor: Actor) -> str | None:
    """Return what the actor lacks first, for people; None when all is met."""
    conditions = tuple(permissions)
    if not conditions:
        return "a permission that its handler does not name"
    if not actor.user.is_active:
        return "an active user"
    for condition in conditions:
        missing = condition.missing(actor)
        if missing:
            return missing
    return None


def require(permissions: Iterable[Permission], actor: Actor, what: str) -> None:
    """
    Refuse unless the actor meets every one of `permissions`.

    Raises:
        PermissionRefused: names the first condition that is not met.
    """
    missing = lack(permissions, actor)
    if missing:
        raise exceptions.PermissionRefused(what, missing)
