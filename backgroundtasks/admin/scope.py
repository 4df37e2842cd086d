"""Whose runs an operator looks at: always those of one account, which the lists are indexed by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from django.core.exceptions import PermissionDenied

from backgroundtasks import exceptions, queries

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import Account

ORIGIN: Final = "admin"
#: The parameter of the address that names the account.
ACCOUNT: Final = "account"


def user_of(request: HttpRequest) -> User:
    """Return who is signed in."""
    return cast("User", request.user)


def accounts(request: HttpRequest) -> list[Account]:
    """Return the accounts that this user may look into; asked once a request."""
    kept: Any = request
    if not hasattr(kept, "_backgroundtasks_accounts"):
        kept._backgroundtasks_accounts = list(queries.accounts_of(user_of(request))[:1000])  # noqa: SLF001
    return cast("list[Account]", kept._backgroundtasks_accounts)  # noqa: SLF001


def actor(request: HttpRequest) -> Actor:
    """
    Return the user in the account that the address names, else in the user's own.

    Raises:
        PermissionDenied: the user may look into no account, or not into this one.
    """
    kept: Any = request
    if not hasattr(kept, "_backgroundtasks_actor"):
        kept._backgroundtasks_actor = _actor(request)  # noqa: SLF001
    return cast("Actor", kept._backgroundtasks_actor)  # noqa: SLF001


def _actor(request: HttpRequest) -> Actor:
    user = user_of(request)
    try:
        named = request.GET.get(ACCOUNT)
        if named:
            return queries.operator_in(user, UUID(named), origin=ORIGIN)
        try:
            return queries.actor_of(user, origin=ORIGIN)
        except exceptions.AccountRefused:
            found = accounts(request)
            if not found:
                raise
            return queries.operator_in(user, found[0].pk, origin=ORIGIN)
    except (exceptions.AccountRefused, ValueError) as error:
        raise PermissionDenied(str(error)) from None
