"""
`POST /oauth/token`: a client's id and secret for a bearer token (RFC 6749, section 4.4).

The protocol is oauthlib's, which sees one form. The client shows its credentials in a Basic
header, in a form (also `multipart/form-data`), in a JSON body, or, as clients of some vendors do,
in the query string: from there they are moved into the form, and no log of ours has them.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus, urlencode
from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from oauthlib.oauth2 import BackendApplicationServer, RequestValidator

from backgroundtasks import conf
from backgroundtasks.api import body
from backgroundtasks.api.errors import ApiError, BadRequest, TooLarge
from backgroundtasks.api.throttle import Failures
from backgroundtasks.models import OAuthClient
from backgroundtasks.operations.issue_token import READ, SCOPES, WRITE, digest, issue_token

if TYPE_CHECKING:
    from django.http import HttpRequest

_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MEMBERS: Final = ("grant_type", "client_id", "client_secret", "scope")
_MULTIPART: Final = "multipart/form-data"
#: Scopes as vendors call them, in ours; none: all that the client may.
_ALSO_CALLED: Final = {
    "idn:task-management:read": READ,
    "idn:task-management:write": f"{READ} {WRITE}",
    "sp:scopes:default": READ,
    "sp:scopes:all": "",
}


def _ours(scopes: list[str], client: OAuthClient) -> set[str]:
    """Return scopes in our words; a vendor's word for everything is what the client may."""
    if "sp:scopes:all" in scopes:
        return set(str(client.scope).split())
    return {word for scope in scopes for word in _ALSO_CALLED.get(scope, scope).split()}


class _Clients(RequestValidator):
    """What oauthlib asks about our clients."""

    def authenticate_client(self, request: Any, *_args: Any, **_kwargs: Any) -> bool:
        """Find the client by id and secret; it acts as its user from here on."""
        client_id, secret = _shown(request)
        client = _find_client(client_id)
        # Compared also without a client, so that both take as long.
        known = client.secret_digest if client else digest("")
        if not hmac.compare_digest(known, digest(secret)) or client is None:
            return False
        request.client = client
        request.client.client_id = str(client.pk)
        request.user = client.user
        return True

    def validate_grant_type(
        self, client_id: str, grant_type: str, *_args: Any, **_kwargs: Any
    ) -> bool:
        """Offer client credentials, and no other grant."""
        return grant_type == "client_credentials"

    def get_default_scopes(self, client_id: str, request: Any, *_args: Any) -> list[str]:
        """Give a token that asks for nothing all that its client may."""
        return str(request.client.scope).split()

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: OAuthClient, *_args: Any
    ) -> bool:
        """Give what exists and the client may have."""
        allowed = frozenset(client.scope.split()) or SCOPES
        return _ours(scopes, client) <= allowed

    def save_bearer_token(self, token: dict[str, Any], *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: the token was stored, as its digest, when it was made."""


def _issue(request: Any) -> str:
    """Make and store a token."""
    scope = " ".join(sorted(_ours(request.scopes, request.client)))
    token, _ = issue_token(request.user, scope=scope, client=request.client)
    return token


def _server() -> Any:
    return BackendApplicationServer(
        _Clients(),
        token_generator=_issue,
        token_expires_in=int(conf.TOKEN_LIFE.total_seconds()),
    )


@method_decorator(csrf_exempt, name="dispatch")
class AccessTokens(View):
    """The token endpoint."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Return a token, or the error in RFC 6749's words."""
        try:
            form = _form(request)
            failures = Failures(f"client {_shown_id(request, form)}", request)
            failures.require_few()
        except ApiError as error:
            return _refused(error.status, "invalid_request", error.message, error.headers)
        headers, text, status = _server().create_token_response(
            request.build_absolute_uri(request.path),
            "POST",
            urlencode(form),
            {
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": request.META.get("HTTP_AUTHORIZATION", ""),
            },
        )
        if status == 401:  # noqa: PLR2004
            failures.count()
            headers = {**headers, "WWW-Authenticate": 'Basic realm="OAuth client"'}
        return HttpResponse(text, status=status, headers={**headers, **_NO_STORE})


def _form(request: HttpRequest) -> dict[str, str]:
    """
    Return the members of the body and of the query string.

    Raises:
        ApiError: too large, no form and no JSON object of texts, or a member that is given twice.
    """
    form = _of_body(request)
    query = _query(request)
    for name in _MEMBERS:
        value = query.get(name)
        if not value:
            continue
        if form.setdefault(name, value) != value:
            raise BadRequest(f"{name} is given twice, in the body and in the URL.")
    return form


def _query(request: HttpRequest) -> QueryDict:
    try:
        return request.GET
    except SuspiciousOperation:
        raise BadRequest("The URL has too many parameters.") from None


def _of_body(request: HttpRequest) -> dict[str, str]:
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        given = body.parse_object(body.read_bytes(request))
        return {
            name: value for name in _MEMBERS if isinstance(value := given.get(name), str) and value
        }
    length = request.META.get("CONTENT_LENGTH", "").strip() or "0"
    if not length.isdigit() or int(length) > conf.BODY_LIMIT:
        raise TooLarge(f"The body is larger than {conf.BODY_LIMIT} bytes.")
    try:
        form = request.POST if kind == _MULTIPART else _urlencoded(request)
    except (SuspiciousOperation, MultiPartParserError, OSError):
        raise BadRequest("The body is no form.") from None
    return {name: str(form[name]) for name in _MEMBERS if form.get(name)}


def _urlencoded(request: HttpRequest) -> QueryDict:
    return QueryDict(request.read(conf.BODY_LIMIT), encoding="utf-8")


def _shown(request: Any) -> tuple[str, str]:
    """Return the id and secret that oauthlib's request shows; the header goes first."""
    basic = _basic(request.headers.get("Authorization", ""))
    return basic or (request.client_id or "", request.client_secret or "")


def _shown_id(request: HttpRequest, form: dict[str, str]) -> str:
    """Return who claims to ask."""
    basic = _basic(request.META.get("HTTP_AUTHORIZATION", ""))
    return basic[0] if basic else form.get("client_id", "")


def _basic(header: str) -> tuple[str, str] | None:
    """Return the id and secret of a Basic header; both are form-encoded (RFC 6749, 2.3.1)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def _find_client(client_id: str) -> OAuthClient | None:
    """Return a client that nobody revoked, of an active user."""
    try:
        identity = UUID(client_id)
    except ValueError:
        return None
    return (
        OAuthClient.objects.select_related("user")
        .filter(pk=identity, revoked_at__isnull=True, user__is_active=True)
        .first()
    )


def _refused(
    status: int, error: str, description: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(
        json.dumps({"error": error, "error_description": description}),
        status=status,
        content_type="application/json",
        headers={**(headers or {}), **_NO_STORE},
    )
