"""Requests for resources and operations: from the description to an answer in the wished format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.http import HttpResponse

from backgroundtasks.api import origins
from backgroundtasks.api.arcgis import access, errors, parameters, renderers, typed
from backgroundtasks.api.arcgis.errors import METHOD, Problem, TokenInvalid, TokenRequired
from backgroundtasks.api.arcgis.forms import SIGN_IN, Field
from backgroundtasks.api.arcgis.parameters import Given
from backgroundtasks.api.arcgis.resource import Call
from backgroundtasks.api.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpRequest, QueryDict
    from django.http.response import HttpResponseBase

    from backgroundtasks.api.arcgis.access import Caller
    from backgroundtasks.api.arcgis.errors import Refusal
    from backgroundtasks.api.arcgis.resource import Operation, Resource

_NOT_DONE: Final = "Nothing was done: look through the form, and send it again."
_READING: Final = ("GET", "HEAD", "POST")


class View:
    """A path: its answers, its refusals, each in the format that was asked for."""

    csrf_exempt = True  # a POST needs a token of its own: see `access`

    def __call__(self, request: HttpRequest, **parts: str) -> HttpResponseBase:
        """Answer a request."""
        given = None
        try:
            # A host that is not ours reads nothing.
            origins.origin(request)
            if request.method not in _READING:
                return self._other(request)
            given = parameters.read(request)
            wanted = given.format
            answer = self.answer(request, given, parts)
        except Exception as error:  # noqa: BLE001 - every error has its answer
            answer = self.refuse(request, given, error)
        else:
            answer.xframe_options_exempt = wanted != "html"
        return answer

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Answer a request that can be read."""
        raise NotImplementedError

    def refuse(self, request: HttpRequest, given: Given | None, error: Exception) -> HttpResponse:
        """Answer what went wrong."""
        refusal = errors.refusal(error, request)
        if wishes_html(given):
            if isinstance(error, TokenRequired | TokenInvalid) and request.method != "POST":
                return renderers.to_sign_in(request)
            return renderers.error_page(request, refusal, _signed_in(request, given))
        return renderers.as_json(refusal.body(), "pjson" if _wished(given) == "pjson" else "json")

    def _other(self, request: HttpRequest) -> HttpResponse:
        """Answer OPTIONS, and refuse methods that there are not."""
        allowed = ", ".join([*_READING, "OPTIONS"])
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": allowed})
        found = errors.refusal(Problem(METHOD, "There are GET and POST here."), request)
        answer = renderers.as_json(found.body(), "json")
        # No client of the vendor's sends other methods.
        answer.status_code, answer["Allow"] = METHOD, allowed
        return answer


class ResourceView(View):
    """Reads a resource; also by POST, for parameters that are too long for a URL."""

    def __init__(self, resource: Resource, directory: Sequence[Resource]) -> None:
        self._resource = resource
        self._directory = directory

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Return the resource."""
        call = self.call(request, given, parts)
        body = self._resource.read(call)
        if given.format == "html":
            return renderers.resource_page(call, body)
        return renderers.as_json(body, given.format)

    def call(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> Call:
        """Return the request of somebody who may make it."""
        return self.call_of(access.identify(request, given), request, given, parts)

    def call_of(
        self, caller: Caller, request: HttpRequest, given: Given, parts: Mapping[str, str]
    ) -> Call:
        """
        Return the request of a caller who may make it.

        Raises:
            Problem: the caller may not.
        """
        if not self._resource.access.admits(caller.user):
            raise Problem(
                errors.FORBIDDEN,
                "You do not have permissions to access this resource or perform this operation.",
                (f"It needs: {self._resource.access.name}.",),
            )
        call = Call(request, given, caller, parts, self._resource, self._directory)
        call.require_scope()
        return call


class OperationView(ResourceView):
    """Performs an operation by POST; GET shows its form."""

    def __init__(
        self, resource: Resource, operation: Operation, directory: Sequence[Resource]
    ) -> None:
        super().__init__(resource, directory)
        self._operation = operation

    def answer(self, request: HttpRequest, given: Given, parts: dict[str, str]) -> HttpResponse:
        """Do it, or show what it takes."""
        call = self.call(request, given, parts)
        if request.method != "POST":
            if given.format == "html":
                # What there is not has no form.
                body = self._resource.read(call)
                return renderers.form_page(call, self._operation, body)
            raise Problem(METHOD, "Use POST for this operation.")
        try:
            _refuse_secrets(given.query)
            done = self._operation.perform(call)
        except Exception as error:
            if given.format != "html":
                raise
            refusal = errors.refusal(error, request)
            body = self._resource.read(call)
            return renderers.form_page(call, self._operation, body, refusal)
        if given.format == "html":
            return renderers.done_page(call, self._operation, done)
        return renderers.as_json(done.body, given.format)

    def refuse(self, request: HttpRequest, given: Given | None, error: Exception) -> HttpResponse:
        """Lose nothing that was typed into a form whose token has expired."""
        expired = isinstance(error, TokenRequired | TokenInvalid) and request.method == "POST"
        if given is None or not expired or not wishes_html(given):
            return super().refuse(request, given, error)
        refusal = errors.refusal(error, request)
        refusal.details.append(_NOT_DONE)
        caller = access.signed_in(request)
        if caller is None:
            return renderers.sign_in_page(_again(request, given), refusal)
        match = request.resolver_match
        try:
            parts = match.kwargs if match else {}
            return self.form_again(request, given, caller, parts, refusal=refusal)
        except Exception as other:  # noqa: BLE001 - every error has its answer
            return super().refuse(request, given, other)

    def form_again(
        self,
        request: HttpRequest,
        given: Given,
        caller: Caller,
        parts: Mapping[str, str],
        *,
        refusal: Refusal,
        status: int | None = None,
    ) -> HttpResponse:
        """
        Return the form with what was typed, and the caller's token; nothing is done.

        Raises:
            Problem: there is no such form for the caller.
        """
        call = self.call_of(caller, request, given, parts)
        body = self._resource.read(call)
        return renderers.form_page(call, self._operation, body, refusal, status)


def _refuse_secrets(query: QueryDict) -> None:
    """Refuse a passcode in the address; no client of the vendor's sends one there."""
    if name := typed.secret_in(query):
        raise errors.invalid(f"{name}: send secrets in the body; logs keep addresses.")


def _again(request: HttpRequest, given: Given) -> list[Field]:
    """Return the fields of signing in that lead back to a form with what was typed."""
    kept = {"again": request.path_info, "typed": typed.kept(given)}
    hidden = [Field(name, "", "hidden", value=value) for name, value in kept.items()]
    return [*SIGN_IN, *hidden]


def _signed_in(request: HttpRequest, given: Given | None) -> Caller | None:
    """Return who is signed in, for the bar of a page that tells of an error; None: nobody."""
    if given is None:
        return None
    try:
        return access.identify(request, given)
    except Exception:  # noqa: BLE001 - the error that is told of goes first
        return None


def wishes_html(given: Given | None) -> bool:
    """Return whether a page is wished for."""
    return _wished(given) == "html"


def _wished(given: Given | None) -> str:
    """Return the format that is wished for; what cannot be read is answered as JSON."""
    try:
        return "json" if given is None else given.format
    except BadRequest:
        return "json"
