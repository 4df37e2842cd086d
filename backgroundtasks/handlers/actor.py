"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

from backgroundtasks import exceptions
from backgroundtasks.models import Account, Membership
from backgroundtasks.models.account import SECURITY_AND_INFRASTRUCTURE

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Actor:
    """A user who acts in an account, through one door."""

    user: User
    account: Account
    #: The user's role in the account: `viewer`, `member` or `admin`; `""` without one.
    role: str
    #: The door: `enterprise_tester`, `admin`, `command`, `code` …
    origin: str = "code"
    #: What the credential may do; None: all that the user may.
    scopes: frozenset[str] | None = None

    @property
    def is_operator(self) -> bool:
        """Whether this is an operator of the whole installation."""
        return self.user.is_active and self.user.is_superuser


def actor_of(user: User, account_id: UUID | None = None, *, origin: str = "code") -> Actor:
    """
    Return the user as an actor in an account: the named one, else the user's default.

    Operators of the installation may name any account; where they are no members they have
    no role, except in the reserved one. Whoever has the permission of security and
    infrastructure may name the reserved one as well, without a role.

    Raises:
        AccountRefused: the user belongs to no account, or not to this one.
    """
    memberships = Membership.objects.filter(user=user).select_related("account")
    if account_id is not None:
        membership = memberships.filter(account_id=account_id).first()
    else:
        membership = memberships.order_by("-is_default", "pk").first()
    if membership is not None:
        return Actor(user, membership.account, membership.role, origin)
    account = None if account_id is None else Account.objects.filter(pk=account_id).first()
    if account is not None and user.is_superuser:
        # A stranger there: what asks for an operator is met, what asks for a role is not.
        return Actor(user, account, "admin" if account.is_system else "", origin)
    if account is not None and account.is_system and user.has_perm(SECURITY_AND_INFRASTRUCTURE):
        return Actor(user, account, "", origin)
    raise exceptions.AccountRefused(user.get_username())


def installation_in(account: Account) -> Actor:
    """
    Return the reserved principal: the installation itself, in its own account.

    It has no row, so nobody can sign in as it, and nothing can be granted to it.
    """
    users: Any = get_user_model()
    principal = users(**{users.USERNAME_FIELD: "system"}, is_active=True, is_superuser=True)
    return Actor(principal, account, "admin", "schedule")
