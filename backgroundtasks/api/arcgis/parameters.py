"""
What a request gives: parameters of its form body and of its query string.

The body goes first, also that of a GET: one of the vendor's clients sends `f=json` there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from django.http.multipartparser import MultiPartParserError

from backgroundtasks import conf
from backgroundtasks.api import body
from backgroundtasks.api.arcgis.forms import FORMATS
from backgroundtasks.api.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    from django.http import HttpRequest

_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_METHODS_WITH_A_FORM: Final = frozenset({"GET", "HEAD", "POST"})


@dataclass(frozen=True, slots=True)
class Given:
    """The parameters of a request."""

    body: QueryDict
    query: QueryDict

    def text(self, name: str) -> str | None:
        """
        Return a parameter, as it was sent last; None when it was not.

        Raises:
            BadRequest: it holds a NUL character.
        """
        for source in (self.body, self.query):
            if name in source:
                value = str(source[name])
                if "\0" in value:
                    raise BadRequest(f"{name} holds a NUL character.")
                return value
        return None

    def word(self, name: str) -> str:
        """Return a parameter without blanks around it; empty when it was not sent."""
        return (self.text(name) or "").strip()

    @property
    def format(self) -> str:
        """
        Return `html`, `json` or `pjson`.

        Raises:
            BadRequest: another one was asked for.
        """
        wanted = self.word("f").lower() or FORMATS[0]
        if wanted not in FORMATS:
            raise BadRequest(f"f is {', '.join(FORMATS)}.")
        return wanted


def read(request: HttpRequest) -> Given:
    """
    Return what a request gives.

    Raises:
        TooLarge: the body is over `conf.BODY_LIMIT`; it is not read.
        BadRequest: the body is no form, or there are too many parameters.
    """
    try:
        query = request.GET
        form = _form(request) if request.method in _METHODS_WITH_A_FORM else QueryDict()
    except SuspiciousOperation:
        raise BadRequest("There are too many parameters.") from None
    return Given(form, query)


def _form(request: HttpRequest) -> QueryDict:
    body.require_length(request)
    length = (request.META.get("CONTENT_LENGTH") or "0").strip()
    limit: int = conf.BODY_LIMIT
    if not length.isdigit() or int(length) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    if not int(length):
        return QueryDict()
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind == _MULTIPART and request.method == "POST":
        try:
            return request.POST
        except (MultiPartParserError, OSError):
            raise BadRequest("The body is no form.") from None
    if kind and kind != _URLENCODED:
        if request.method != "POST":
            return QueryDict()
        raise BadRequest(f"Send a form: {_URLENCODED}.")
    try:
        raw = request.read(int(length))
    except OSError:
        raise BadRequest("The body broke off.") from None
    return QueryDict(raw, encoding="utf-8")
