"""The resources of the core in this dialect."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.response import Response

from backgroundtasks import VERSION, operations, queries
from backgroundtasks.api import json_schema
from backgroundtasks.api.enterprise_tester import answers, progress_stream, reading, run_list
from backgroundtasks.api.enterprise_tester.links import link
from backgroundtasks.api.enterprise_tester.paging import envelope, read_slice
from backgroundtasks.api.enterprise_tester.rendering import moment
from backgroundtasks.api.enterprise_tester.resource import ResourceView
from backgroundtasks.api.enterprise_tester.roots import root_links
from backgroundtasks.api.enterprise_tester.started import represented, started
from backgroundtasks.api.errors import Refused
from backgroundtasks.api.idempotency import digest_of, read_idempotency
from backgroundtasks.api.origins import origin

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from backgroundtasks.models import Message

_PATH_SEPARATOR: Final = "|"


class BackgroundTasks(ResourceView):
    """Start a task; list those that there are."""

    #: Each handler says who may start it.
    write_role: ClassVar[str | None] = None

    def get(self, request: Request) -> Response:
        """Return a page of the runs that the caller may see, newest first."""
        return Response(run_list.page(request, self.actor))

    def post(self, request: Request) -> HttpResponseBase:
        """Start a task: 202 and its `Location`."""
        return answers.accepted(request._request, self.actor)  # noqa: SLF001 - the request it wraps


class BackgroundTask(ResourceView):
    """How one task stands."""

    def get(self, request: Request, public_id: str) -> HttpResponse:
        """Return the run; 304 when it is as the client knows it."""
        run = reading.get_run(self.actor, public_id)
        return answers.shown(request._request, run)  # noqa: SLF001


class Cancel(ResourceView):
    """Stop a task: at once when it waits, at its next checkpoint when it runs."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, public_id: str) -> Response:
        """Return the run as it is then; 409 when it has finished."""
        run = reading.get_run(self.actor, public_id)
        operations.cancel(self.actor, run.id)
        return Response(represented(request, reading.poll(self.actor, public_id)))


class Retry(ResourceView):
    """Do a finished task once more, as a new run."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, public_id: str) -> Response:
        """Start the new run: 202 and its `Location`; 409 while the old one is unfinished."""
        run = reading.get_run(self.actor, public_id)
        key = read_idempotency(request._request, digest_of(b""))  # noqa: SLF001
        return started(request, operations.retry(self.actor, run.id, idempotency=key))


class Pause(ResourceView):
    """Let a task stand still: at its next safe checkpoint, at once when it waits for children."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, public_id: str) -> Response:
        """Return the run as it is then; 409 when its type cannot pause, or it has not begun or ended."""
        run = reading.get_run(self.actor, public_id)
        operations.pause(self.actor, run.id)
        return Response(represented(request, reading.poll(self.actor, public_id)))


class Resume(ResourceView):
    """Let a paused task go on."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, public_id: str) -> Response:
        """Return the run as it is then; 409 when it is not paused."""
        run = reading.get_run(self.actor, public_id)
        operations.resume(self.actor, run.id)
        return Response(represented(request, reading.poll(self.actor, public_id)))


class Children(ResourceView):
    """The runs that a run's handler started."""

    def get(self, request: Request, public_id: str) -> Response:
        """Return a page of those that the caller may see, the first one first."""
        run = reading.get_run(self.actor, public_id)
        return Response(run_list.children(request, self.actor, run.id))


class Messages(ResourceView):
    """What a run said."""

    def get(self, request: Request, public_id: str) -> Response:
        """Return a page of messages, oldest first; `NextLink` leads to the next one."""
        run = reading.get_run(self.actor, public_id)
        wanted = read_slice(request, largest_skip=run_list.LARGEST_SKIP)
        after = _message_token(request)
        messages = queries.list_messages(self.actor, run.id, after=after)
        found = list(messages[wanted.skip : wanted.skip + wanted.top + 1])
        body = envelope(
            [_message(message) for message in found[: wanted.top]],
            wanted,
            messages.count() if wanted.counted else None,
        )
        if len(found) > wanted.top > 0:
            token = str(found[wanted.top - 1].pk)
            body["NextLink"] = run_list.next_link(request, token)
        return Response(body)


class Events(ResourceView):
    """A run as it happens, as server-sent events."""

    def get(self, request: Request, public_id: str) -> HttpResponseBase:
        """Return the stream; 204 when the client has seen the end, so that it stays away."""
        run = reading.get_run(self.actor, public_id)
        text = request.headers.get("Last-Event-ID", "")
        seen = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004
        if run.is_final and seen >= run.event:
            return HttpResponse(status=204)
        place = progress_stream.reserve()
        try:
            return progress_stream.events(place, run, partial(represented, request), seen=seen)
        except BaseException:
            place.close()
            raise


class TaskTypes(ResourceView):
    """What can be started."""

    def get(self, request: Request) -> Response:
        """Return every task type with its parameters and whether the caller may start it."""
        items = [
            {
                "Type": known.handler.task_type,
                "Description": known.handler.title(),
                "Parameters": json_schema.of_serializer(known.handler.Parameters()),
                "MayStart": known.lack is None,
                "Reason": None if known.lack is None else f"It needs {known.lack}.",
                "Idempotent": known.handler.idempotent,
                "Pausable": known.handler.pausable,
                "Queue": known.handler.queue,
            }
            for known in queries.list_task_types(self.actor)
        ]
        return Response({"Items": items, "Self": link(request, "backgroundtasktypes")})


class SystemInfo(ResourceView):
    """What this installation is."""

    def get(self, request: Request) -> Response:
        """Return its version, addresses and time zone."""
        root = link(request, "root")
        now = timezone.localtime()
        offset = now.strftime("%z")
        return Response(
            {
                "Version": VERSION,
                "RootUrl": root.removesuffix("/").removesuffix("api"),
                "StaticContentRootUrl": origin(request) + "/" + settings.STATIC_URL.lstrip("/"),
                "PackagePathSeparator": _PATH_SEPARATOR,
                "TimeZoneId": settings.TIME_ZONE,
                "UtcOffset": f"{offset[:3]}:{offset[3:]}",
                "Modules": {},
                "Self": link(request, "systeminfo"),
            }
        )


class RootResource(ResourceView):
    """Where everything is."""

    def get(self, request: Request) -> Response:
        """Return the collections by their root relation."""
        return Response({"Links": root_links(request), "Self": link(request, "root")})


def _message_token(request: Request) -> int:
    """Return behind which message the page begins."""
    token = request.query_params.get("$skiptoken", "0")
    if not (token.isascii() and token.isdigit()) or len(token) > 18:  # noqa: PLR2004 - 64 bits
        raise Refused("$skiptoken is none that a NextLink named.")
    return int(token)


def _message(message: Message) -> dict[str, Any]:
    return {
        "Id": message.pk,
        "Level": message.level,
        "Key": message.key,
        "Text": message.text,
        "Parameters": message.parameters,
        "Attempt": message.attempt,
        "CreatedAt": moment(message.created_at),
    }
