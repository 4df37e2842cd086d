"""
Who asks, by which token, and what that opens.

A token comes in the body, in the query string, in `X-Esri-Authorization` or in `Authorization`;
the cookie of the HTML directory stands for it when something is read. A cookie alone never
authorises a POST: that is what keeps other sites from sending one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from backgroundtasks import exceptions, queries
from backgroundtasks.api import authentication
from backgroundtasks.api.arcgis.errors import (
    CRASHED,
    FORBIDDEN,
    Problem,
    TokenInvalid,
    TokenRequired,
)
from backgroundtasks.api.errors import Unauthenticated
from backgroundtasks.models.account import SECURITY_AND_INFRASTRUCTURE as _SECURITY

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from backgroundtasks.api.arcgis.parameters import Given
    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import Account

ORIGIN: Final = "arcgis"
#: Holds the token of whoever signed in to the HTML directory.
COOKIE: Final = "arcgis_token"
_HEADERS: Final = ("HTTP_X_ESRI_AUTHORIZATION", "HTTP_AUTHORIZATION")


@dataclass(frozen=True, slots=True)
class Access:
    """What opens a resource: being the default administrator, or any one of these permissions."""

    #: As the vendor calls it.
    name: str
    #: Django's: `app_label.codename`.
    permissions: tuple[str, ...] = ()

    def admits(self, user: User) -> bool:
        """Return whether a user may enter."""
        if user.is_active and user.is_superuser:
            return True
        return any(user.has_perm(permission) for permission in self.permissions)


DEFAULT_ADMINISTRATOR: Final = Access("default administrator")
SECURITY_AND_INFRASTRUCTURE: Final = Access("Security and infrastructure", (_SECURITY,))
#: Any privilege that opens this API at all.
ANY: Final = Access("any administrative privilege", (_SECURITY,))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    user: User
    #: What the credential may do; None: all that its user may.
    scopes: frozenset[str] | None
    #: As it was sent: the forms of the HTML directory carry it on.
    token: str


def identify(request: HttpRequest, given: Given) -> Caller:
    """
    Return who asks.

    Raises:
        TokenRequired: there is no token, or a POST has none but in the cookie.
        TokenInvalid: it is unknown, expired or revoked.
    """
    token = sent(request, given)
    if not token and request.method != "POST":
        token = request.COOKIES.get(COOKIE, "")
    if not token:
        raise TokenRequired
    return of_token(token)


def signed_in(request: HttpRequest) -> Caller | None:
    """Return who signed in to the HTML directory, by the cookie; None: nobody, or too long ago."""
    token = request.COOKIES.get(COOKIE, "")
    try:
        return of_token(token) if token else None
    except TokenInvalid:
        return None


def of_token(token: str) -> Caller:
    """
    Return who holds a token.

    Raises:
        TokenInvalid: it is unknown, expired or revoked.
    """
    try:
        holder = authentication.holder_of(token)
    except Unauthenticated:
        raise TokenInvalid from None
    return Caller(holder.user, holder.scopes, token)


def sent(request: HttpRequest, given: Given) -> str:
    """Return the token that a request brings explicitly; empty without one."""
    token = given.word("token")
    for header in _HEADERS:
        if token:
            break
        scheme, _, value = request.META.get(header, "").partition(" ")
        token = value.strip() if scheme.lower() == "bearer" else ""
    return token


def system_account() -> Account:
    """
    Return the installation's own account.

    Raises:
        Problem: nobody has made it yet.
    """
    try:
        return queries.system_account()
    except exceptions.AccountRefused:
        text = "The installation has no account of its own yet: start its workers."
        raise Problem(CRASHED, text) from None


def actor(request: HttpRequest, caller: Caller) -> Actor:
    """
    Return the caller in the account that this API is about: the system account.

    The header `X-Account-Id` names another one; that is an extension.

    Raises:
        AccountRefused: the caller may not look into it.
        Problem: the header holds no id.
    """
    named = request.META.get("HTTP_X_ACCOUNT_ID", "").strip()
    try:
        account = UUID(named) if named else system_account().pk
    except ValueError:
        raise Problem(FORBIDDEN, "X-Account-Id is no id of an account.") from None
    found = queries.actor_of(caller.user, account, origin=ORIGIN)
    return replace(found, scopes=caller.scopes)
