"""
Who asks: bearer token, Basic login or session cookie, as an `Actor` in an account.

A credential is believed for `conf.CREDENTIAL_CACHE` without asking the database, so that a
poll costs no look-up and a Basic login no password hash (0.2 s of a core; vendors' clients
poll ten times a second). What is cached is held under a digest with a key of this process.
Changes of users, members and tokens in this process drop it at once, elsewhere it ends with
the cache's time. After that a Basic login costs one query while the user's stored hash is
still the one that the password was checked against.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.contrib.auth import authenticate as check_password
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.http import HttpResponse, QueryDict
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.datastructures import MultiValueDict

from backgroundtasks import clock, conf, exceptions, queries
from backgroundtasks.api import throttle
from backgroundtasks.api.errors import NoMember, Refused, Unauthenticated
from backgroundtasks.handlers import permissions
from backgroundtasks.models import AccessToken, Membership, OAuthClient
from backgroundtasks.operations.issue_token import READ as READ  # noqa: PLC0414 - part of the surface
from backgroundtasks.operations.issue_token import WRITE as WRITE  # noqa: PLC0414 - part of the surface
from backgroundtasks.operations.issue_token import digest

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from backgroundtasks.handlers import Actor

_READER: Final = (permissions.Role("viewer"),)
_WRONG: Final = "The user name or the password is wrong."
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    """A credential that was found good."""

    actor: Actor
    #: `time.monotonic()` until which nobody is asked again.
    until: float
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Proof:
    """A password that was checked: good as long as the user's stored hash is this one."""

    user_id: int
    password_hash: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is, and what it may do."""

    user: User
    #: None: all that its user may.
    scopes: frozenset[str] | None
    expires_at: datetime


_key: Final = secrets.token_bytes(32)
_known: dict[tuple[str, str], _Known] = {}
#: Tokens that were found good, until when nobody is asked again.
_held: dict[str, tuple[Holder, float]] = {}
_proofs: dict[str, _Proof] = {}
#: One password is hashed once, however many requests bring it at the same moment.
_hashing: Final = [threading.Lock() for _ in range(16)]


def identify(request: HttpRequest, account: str | None = None) -> Actor:
    """
    Return who asks, in an account.

    Queries: none within `conf.CREDENTIAL_CACHE`; else one for the credential, one for the
    account.

    Args:
        request: With a credential.
        account: Id of the account that a path names; without one it is that of
            `X-Account-Id`, or the user's default one.

    Raises:
        Unauthenticated: no credential, or one that is wrong, expired or revoked.
        Throttled: too many failed logins of this user from this address.
        NoMember: the user does not belong to the account, or to none.
        Refused: the id of the account is none, or the session's CSRF check failed.
    """
    if account is None:
        account = request.META.get("HTTP_X_ACCOUNT_ID", "")
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return _from_session(request, account)
    # The header's own digest is the key: finding a known one needs no decoding.
    key = (_keyed(header), account)
    known = _known.get(key)
    if known is None or known.until < time.monotonic():
        known = _look_up(request, header, account)
        if len(_known) >= _MOST:
            _known.clear()
        _known[key] = known
    if known.expires_at is not None and known.expires_at <= clock.now():
        raise Unauthenticated("The token has expired.")
    return known.actor


def holder_of(token: str) -> Holder:
    """
    Return who holds a token, wherever it was sent; no account is asked for.

    Queries: none within `conf.CREDENTIAL_CACHE`; else one.

    Raises:
        Unauthenticated: it is unknown, expired or revoked.
    """
    key = _keyed(token)
    holder, until = _held.get(key, (None, 0.0))
    if holder is None or until < time.monotonic():
        until = time.monotonic() + conf.CREDENTIAL_CACHE.total_seconds()
        holder = _hold(_good_token(token))
        if len(_held) >= _MOST:
            _held.clear()
        _held[key] = holder, until
    if holder.expires_at <= clock.now():
        raise Unauthenticated("The token has expired.")
    return holder


def log_in(request: HttpRequest, name: str, password: str) -> User:
    """
    Return the user of a name and password.

    Raises:
        Throttled: too many failed logins of this user from this address.
        Unauthenticated: they are wrong.
    """
    if "\0" in name or "\0" in password:
        raise Unauthenticated(_WRONG)
    kept = _keyed(f"{name}:{password}")
    with _hashing[int(kept[0], 16)]:
        user = _proven(kept)
        if user is None:
            user = _check(request, name, password)
            if len(_proofs) >= _MOST:
                _proofs.clear()
            _proofs[kept] = _Proof(user.pk, user.password)
    return user


def require_scope(actor: Actor, scope: str) -> None:
    """
    Refuse unless the credential may do this.

    Raises:
        Refused: the token has scopes, and not this one.
    """
    if actor.scopes is not None and scope not in actor.scopes:
        raise Refused(f"The token's scope does not allow this: it needs {scope}.")


def require_reader(actor: Actor) -> None:
    """
    Refuse unless the actor may read in this account.

    Raises:
        Refused: the token's scope leaves reading out.
        PermissionRefused: no role in the account.
    """
    require_scope(actor, READ)
    permissions.require(_READER, actor, "read this")


def forget(**_kwargs: Any) -> None:
    """Drop what is believed; the next request of everybody asks the database."""
    _known.clear()
    _held.clear()


def _keyed(text: str) -> str:
    return hmac.new(_key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _look_up(request: HttpRequest, header: str, account: str) -> _Known:
    scheme, _, value = header.partition(" ")
    value = value.strip()
    # Taken before the look-up: a change that happens during it is seen again in time.
    until = time.monotonic() + conf.CREDENTIAL_CACHE.total_seconds()
    if scheme.lower() == "bearer":
        return _from_token(value, account, until)
    if scheme.lower() == "basic":
        user = _from_basic(request, value)
        return _Known(_actor(user, account), until, None)
    raise Unauthenticated("The Authorization header must be Bearer or Basic.")


def _from_token(value: str, account: str, until: float) -> _Known:
    holder = _hold(_good_token(value))
    actor = _actor(holder.user, account)
    if holder.scopes is not None:
        actor = replace(actor, scopes=holder.scopes)
    return _Known(actor, until, holder.expires_at)


def _good_token(value: str) -> AccessToken:
    token = _find_token(value)
    if token is None:
        raise Unauthenticated("The token is unknown or revoked.")
    if token.expires_at <= clock.now():
        raise Unauthenticated("The token has expired.")
    return token


def _hold(token: AccessToken) -> Holder:
    scopes = frozenset(token.scope.split()) if token.scope else None
    return Holder(token.user, scopes, token.expires_at)


def _find_token(value: str) -> AccessToken | None:
    """Return a token that nobody revoked, of an active user."""
    return (
        AccessToken.objects.select_related("user")
        .filter(Q(client__isnull=True) | Q(client__revoked_at__isnull=True))
        .filter(digest=digest(value), revoked_at__isnull=True, user__is_active=True)
        .first()
    )


def _from_basic(request: HttpRequest, value: str) -> User:
    """Return the user of a Basic login; its hash is computed only for a new password."""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated("The Basic login is not base64 of UTF-8.") from None
    name, colon, password = decoded.partition(":")
    if not colon or "\0" in decoded:
        raise Unauthenticated("The Basic login has no user name and password.")
    return log_in(request, name, password)


def _proven(kept: str) -> User | None:
    """Return the user whose password this was, unless it has changed since."""
    proof = _proofs.get(kept)
    if proof is None:
        return None
    users: Any = get_user_model()._default_manager  # noqa: SLF001 - Django's documented name
    user: User | None = users.filter(pk=proof.user_id, is_active=True).first()
    if user is not None and hmac.compare_digest(user.password, proof.password_hash):
        return user
    _proofs.pop(kept, None)
    return None


def _check(request: HttpRequest, name: str, password: str) -> User:
    """Return the user of a name and password, within the limit of failures."""
    failures = throttle.Failures(name, request)
    failures.require_few()
    user: Any = check_password(request, username=name, password=password)
    if user is None:
        failures.count()
        raise Unauthenticated(_WRONG)
    found: User = user
    return found


class _Csrf(CsrfViewMiddleware):
    """Django's check, which tells the reason instead of answering with a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def _no_view(_request: HttpRequest) -> HttpResponse:
    """Stand for the view that a middleware wraps; it is not called."""
    return HttpResponse()


def _from_session(request: HttpRequest, account: str) -> Actor:
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        raise Unauthenticated("Sign in: send a bearer token or a Basic login.")
    # The token must come in the header: looking for it in a form would read the body, which
    # may be an upload of gigabytes.
    raw: Any = request
    raw._post, raw._files = QueryDict(), MultiValueDict()  # noqa: SLF001
    check = _Csrf(_no_view)
    check.process_request(request)
    reason = check.process_view(request, _no_view, (), {})
    if reason:
        raise Refused(f"The session's CSRF check failed: {reason}")
    del raw._post, raw._files  # noqa: SLF001
    return _actor(user, account)


def _actor(user: User, account: str) -> Actor:
    try:
        account_id = UUID(account) if account else None
    except ValueError:
        raise Refused("The header X-Account-Id is no id of an account.") from None
    try:
        return queries.actor_of(user, account_id, origin="enterprise_tester")
    except exceptions.AccountRefused as refusal:
        raise NoMember(str(refusal)) from None


def _watch() -> None:
    """Forget what is believed as soon as it may have changed in this process."""
    for model in (get_user_model(), Membership, AccessToken, OAuthClient):
        for signal in (post_save, post_delete):
            signal.connect(forget, sender=model, dispatch_uid=f"forget {model.__name__}")


_watch()
