"""
Tokens and signing in: `generateToken` for programs, a page and a cookie for people.

A token may be asked for by name and password alone. What it is bound to (`client`, `referer`, `ip`)
is taken and not checked: one of the vendor's clients binds it to a referer that it never sends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.http import QueryDict
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme

from backgroundtasks import conf, operations
from backgroundtasks.api import authentication
from backgroundtasks.api.arcgis import access, errors, parameters, renderers, typed
from backgroundtasks.api.arcgis.errors import METHOD, Problem, Refusal
from backgroundtasks.api.arcgis.forms import SIGN_IN, Field
from backgroundtasks.api.arcgis.resource import href
from backgroundtasks.api.arcgis.views import OperationView, View
from backgroundtasks.api.arcgis.vocabulary import milliseconds
from backgroundtasks.api.errors import Refused, Throttled, Unauthenticated
from backgroundtasks.api.origins import origin

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse

    from backgroundtasks.api.arcgis.parameters import Given

_NAME, _PASSWORD = SIGN_IN
_MINUTE: Final = timedelta(minutes=1)
_SIGNED_IN: Final = "You are signed in again."
_LOOK: Final = "Nothing was done yet: look through the form, and send it."
_NOT_SIGNED_IN: Final = "You are not signed in."
_REFUSED: Final = "Unable to generate token."
#: More digits than any number of minutes that a calendar holds.
_DIGITS: Final = 12

FIELDS: Final = (
    _NAME,
    _PASSWORD,
    Field(
        "client",
        "Client",
        "select",
        choices=(("referer", "referer"), ("ip", "ip"), ("requestip", "requestip")),
        help="Taken, and not checked afterwards.",
    ),
    Field("referer", "Referer", help="With the client `referer`; not checked afterwards."),
    Field("ip", "IP address", help="With the client `ip`; not checked afterwards."),
    Field("expiration", "Expiration", "number", help="Minutes; more than the limit is the limit."),
)


class GenerateToken(View):
    """`generateToken`: name and password for a token."""

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Return a token; GET shows the form."""
        if request.method != "POST":
            if given.format == "html":
                return renderers.token_page(request, FIELDS)
            raise Problem(METHOD, "Use POST for this operation.")
        try:
            token, expires_at = _issue(request, given, _life(given))
        except Problem as error:
            if given.format != "html":
                raise
            refusal = errors.refusal(error, request)
            return renderers.token_page(request, _as_sent(given), error=refusal)
        body = {"token": token, "expires": milliseconds(expires_at), "ssl": True}
        if given.format == "html":
            return renderers.token_page(request, FIELDS, body)
        return renderers.as_json(body, given.format)


class SignIn(View):
    """The page to sign in to the HTML directory."""

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Show the form; set the cookie of who signs in."""
        where = _local(given.word("redirect"))
        back = {"redirect": where, **{name: given.text(name) for name in ("again", "typed")}}
        hidden = [Field(name, "", "hidden", value=text) for name, text in back.items() if text]
        fields = (_NAME, _PASSWORD, *hidden)
        if request.method != "POST":
            return renderers.sign_in_page(fields)
        try:
            _require_own_page(request)
            token, expires_at = _issue(request, given, conf.TOKEN_LIFE)
        except (Problem, Refused) as error:
            shown = (_NAME.showing(given.text("username")), *fields[1:])
            refusal = errors.refusal(error, request)
            if isinstance(error, Problem):
                refusal = replace(refusal, message=_NOT_SIGNED_IN)
            return renderers.sign_in_page(shown, refusal)
        answer = _form_again(request, given, token) or renderers.see_other(where)
        answer.set_cookie(
            access.COOKIE,
            token,
            expires=expires_at,
            path=href(""),
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
        return answer


class SignOut(View):
    """Make the token of the HTML directory worthless."""

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Forget who was signed in; like all that changes something it takes the token itself."""
        if request.method != "POST":
            raise Problem(METHOD, "Use POST for this operation.")
        token = access.sent(request, given)
        if token:
            operations.revoke_token(token)
            authentication.forget()
        answer = renderers.see_other(href("login"))
        if token:
            answer.delete_cookie(access.COOKIE, path=href(""), samesite="Lax")
        return answer


def _issue(request: HttpRequest, given: Given, life: timedelta) -> tuple[str, datetime]:
    """
    Return a token of the user whose name and password were sent, and its end.

    Raises:
        Problem: they are wrong, missing, or sent in the URL, which logs would keep.
    """
    if "password" in given.query:
        raise Problem(errors.BAD_REQUEST, _REFUSED, ("Send the password in the body.",))
    try:
        name, password = given.text("username") or "", given.text("password") or ""
        user = authentication.log_in(request, name, password)
    except Unauthenticated:
        details = ("Invalid username or password.",)
        raise Problem(errors.BAD_REQUEST, _REFUSED, details) from None
    except Throttled as error:
        raise Problem(errors.BAD_REQUEST, _REFUSED, (error.message,)) from None
    return operations.issue_token(user, life=life)


def _form_again(request: HttpRequest, given: Given, token: str) -> HttpResponse | None:
    """Return the form that somebody was at when their token expired; None: they were at none."""
    path = given.word("again")
    try:
        match = resolve(path) if path else None
    except Resolver404:
        match = None
    if match is None or not isinstance(match.func, OperationView):
        return None
    view = match.func
    sent = typed.restored(given.text("typed") or "")
    refusal = Refusal(errors.TOKEN_REQUIRED, _SIGNED_IN, [_LOOK])
    try:
        caller = access.of_token(token)
        return view.form_again(request, sent, caller, match.kwargs, refusal=refusal, status=200)
    except Exception as error:  # noqa: BLE001 - every error has its answer
        return view.refuse(request, parameters.Given(QueryDict(), QueryDict()), error)


def _as_sent(given: Given) -> list[Field]:
    """Return the fields with what was sent, but for the password."""
    return [
        field if field is _PASSWORD else field.showing(given.text(field.name)) for field in FIELDS
    ]


def _life(given: Given) -> timedelta:
    """Return how long the token is asked to live, within the limit."""
    wanted = given.word("expiration")
    limit: timedelta = conf.TOKEN_LIFE_LIMIT
    if not wanted:
        usual: timedelta = conf.TOKEN_LIFE
        return min(usual, limit)
    if not wanted.isascii() or not wanted.isdigit() or not int(wanted[:_DIGITS]):
        details = ("expiration is a whole number of minutes, at least 1.",)
        raise Problem(errors.BAD_REQUEST, _REFUSED, details)
    if len(wanted) > _DIGITS or int(wanted) > limit / _MINUTE:
        return limit
    return int(wanted) * _MINUTE


def _require_own_page(request: HttpRequest) -> None:
    """
    Refuse a form that another site has sent: it would sign somebody in as somebody else.

    Raises:
        Refused: the browser says that it comes from elsewhere.
    """
    sender = request.META.get("HTTP_ORIGIN")
    host = urlsplit(origin(request)).netloc
    if sender is not None and urlsplit(sender).netloc != host:
        raise Refused("The form comes from another site.")


def _local(path: str) -> str:
    """Return where to go on; what leads away, or out of the directory, leads to the root."""
    root = href("")
    is_below = path == root or path.startswith((f"{root}/", f"{root}?"))
    is_ours = is_below and ".." not in path and url_has_allowed_host_and_scheme(path, None)
    return path if is_ours else root
