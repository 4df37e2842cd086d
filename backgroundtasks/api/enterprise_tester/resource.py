"""The base of every resource of this dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.response import Response
from rest_framework.views import APIView, set_rollback

from backgroundtasks.api import authentication, body, json_types
from backgroundtasks.api.enterprise_tester import errors
from backgroundtasks.api.enterprise_tester.openapi import ResourceSchema
from backgroundtasks.api.enterprise_tester.rendering import JsonRenderer
from backgroundtasks.api.errors import BadRequest
from backgroundtasks.handlers import permissions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rest_framework.renderers import BaseRenderer
    from rest_framework.request import Request
    from rest_framework.serializers import BaseSerializer

    from backgroundtasks.handlers import Actor

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Credentials(BaseAuthentication):
    """Bearer, Basic or session; `request.auth` is the actor."""

    def authenticate(self, request: Request) -> tuple[Any, Actor]:
        """Return the user and the actor; without a good credential there is no request."""
        actor = authentication.identify(request._request)  # noqa: SLF001 - the request it wraps
        return actor.user, actor

    def authenticate_header(self, request: Request) -> str:
        """Return what a client may answer a 401 with."""
        return errors.REALM


class JsonParser(BaseParser):
    """A JSON object within `conf.BODY_LIMIT`, of whatever media type says JSON, or none."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object."""
        return body.parse_object(body.read_bytes(stream))


class _OneFormat(BaseContentNegotiation):
    """JSON is all there is, whatever `Accept` asks for, as the vendor's server does."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class ResourceView(APIView):
    """
    A resource: authentication, roles, scopes, JSON in and out, errors as `{"Message": …}`.

    `self.actor` is who asks. `self.request.data` is the body's JSON object; a resource that
    takes an upload reads `self.request.stream` instead. Reading takes the role `viewer`,
    writing `write_role`.
    """

    authentication_classes = (Credentials,)
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (JsonParser,)
    renderer_classes = (JsonRenderer,)
    content_negotiation_class = _OneFormat
    schema = ResourceSchema()

    #: The role that anything but reading takes; None where the resource asks for itself.
    write_role: ClassVar[str | None] = "member"

    @property
    def actor(self) -> Actor:
        """Who asks, and in which account."""
        actor: Any = self.request.auth
        return actor  # type: ignore[no-any-return]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Find out who asks, and whether that may be; before any method runs."""
        super().initial(request, *args, **kwargs)
        if request.method not in self.allowed_methods:
            return  # It is answered 405, whoever asks.
        if request.method in SAFE:
            authentication.require_reader(self.actor)
            return
        authentication.require_scope(self.actor, authentication.WRITE)
        body.require_length(request)
        if self.write_role is not None:
            permissions.require((permissions.Role(self.write_role),), self.actor, "change this")

    def read(
        self, serializer: type[BaseSerializer[Any]], *, any_case: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """
        Return the body as a serializer validates it; members that it does not know are ignored.

        Args:
            serializer: The class.
            any_case: Names of members fit in any letter case, as in the vendor's PATCH bodies.
            kwargs: For the serializer.

        Raises:
            BadRequest: no body, or a member of another JSON type.
            ValidationError: answered 403 with a `Message` that names each field.
        """
        if self.request.stream is None:
            raise BadRequest("The body is missing.")
        given = dict(self.request.data)
        reader: Any = serializer(data=given, **kwargs)
        if any_case:
            names = {name.lower(): name for name in reader.fields}
            reader.initial_data = given = {
                names.get(name.lower(), name): value for name, value in given.items()
            }
        json_types.require(reader, given)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Answer with the methods that there are."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Return no headers of REST framework's own; `Allow` goes with 405 and OPTIONS."""
        return {}

    def handle_exception(self, exc: Exception) -> Response:
        """Answer an error in the dialect's shape."""
        set_rollback()
        answer = errors.respond(exc, self.request)
        if answer.status_code == 405:  # noqa: PLR2004
            answer["Allow"] = ", ".join(self.allowed_methods)
        answer.exception = True
        return answer

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let JSON go out as it is: it is no page that could be framed."""
        response.xframe_options_exempt = True
        return super().finalize_response(request, response, *args, **kwargs)
