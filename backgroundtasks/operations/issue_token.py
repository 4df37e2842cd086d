"""Hand out credentials."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from backgroundtasks import clock, conf, exceptions
from backgroundtasks.models import AccessToken, OAuthClient

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from django.contrib.auth.models import User

READ: Final = "tasks:read"
WRITE: Final = "tasks:write"
#: What a credential can be limited to; one without a scope may do all that its user may.
SCOPES: Final = frozenset({READ, WRITE})


def digest(secret: str) -> str:
    """Return what is stored of a token or a client's secret: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def issue_token(
    user: User,
    *,
    life: timedelta | None = None,
    scope: str = "",
    client: OAuthClient | None = None,
) -> tuple[str, datetime]:
    """
    Make a bearer token for a user.

    Returns:
        The token, which nobody can read again, and when it expires.

    Raises:
        ScopeUnknown: the scope names what there is not.
    """
    _require_known(scope)
    token = secrets.token_urlsafe(32)
    expires_at = clock.now() + (life or conf.TOKEN_LIFE)
    AccessToken.objects.create(
        digest=digest(token), user=user, client=client, scope=scope, expires_at=expires_at
    )
    return token, expires_at


def revoke_token(token: str) -> bool:
    """Make a token worthless; return whether it was good. Caches forget it within seconds."""
    good = AccessToken.objects.filter(digest=digest(token), revoked_at__isnull=True)
    return bool(good.update(revoked_at=clock.now()))


def create_client(name: str, user: User, *, scope: str = "") -> tuple[OAuthClient, str]:
    """Make an OAuth client that acts as `user`; return it and its secret, shown only now."""
    _require_known(scope)
    secret = secrets.token_urlsafe(32)
    client = OAuthClient.objects.create(
        name=name, user=user, scope=scope, secret_digest=digest(secret)
    )
    return client, secret


def revoke_access(token: AccessToken) -> bool:
    """Make a stored token worthless; return whether it was good."""
    good = AccessToken.objects.filter(pk=token.pk, revoked_at__isnull=True)
    return bool(good.update(revoked_at=clock.now()))


def revoke_client(client: OAuthClient) -> bool:
    """Make an OAuth client and all its tokens worthless; return whether it was good."""
    good = OAuthClient.objects.filter(pk=client.pk, revoked_at__isnull=True)
    return bool(good.update(revoked_at=clock.now()))


def _require_known(scope: str) -> None:
    """Refuse a scope that would let its holder do nothing, mostly by a slip of the pen."""
    for word in scope.split():
        if word not in SCOPES:
            raise exceptions.ScopeUnknown(word, sorted(SCOPES))
