"""`POST /api/backgroundtasks`: from the bytes of the body to a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import conf, operations
from backgroundtasks.api import body
from backgroundtasks.api.errors import BadRequest, Refused
from backgroundtasks.api.idempotency import digest_of, read_idempotency

if TYPE_CHECKING:
    from django.http import HttpRequest

    from backgroundtasks.handlers import Actor
    from backgroundtasks.operations import Idempotency, Submission

_LONGEST_TYPE: Final = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for."""

    task_type: str
    parameters: dict[str, Any]
    labels: dict[str, str]
    streamed: bool
    idempotency: Idempotency | None

    def submit(self, actor: Actor) -> Submission:
        """Accept it, or refuse it with what `operations.submit` raises."""
        return operations.submit(
            actor,
            self.task_type,
            self.parameters,
            labels=self.labels,
            idempotency=self.idempotency,
        )


def read_wish(request: HttpRequest) -> Wish:
    """
    Return what the request asks for; members that we do not know are ignored.

    Vendors' clients write `null` for every member that they leave unset.

    Raises:
        BadRequest: malformed JSON, or a member of the wrong type.
        Refused: no `Type`.
    """
    raw = body.read_bytes(request, conf.TASK_BODY_LIMIT)
    given = body.parse_object(raw)
    return Wish(
        task_type=_type(given.get("Type")),
        parameters=_member(given, "Parameters", dict, "an object"),
        labels=_member(given, "Labels", dict, "an object"),
        streamed=_member(given, "StreamProgress", bool, "true or false"),
        idempotency=read_idempotency(request, digest_of(raw)),
    )


def _type(value: Any) -> str:
    if value is None or value == "":
        raise Refused("The member Type is missing: it names the task type to start.")
    if not isinstance(value, str):
        raise BadRequest("The member Type must be a text.")
    if len(value) > _LONGEST_TYPE:
        raise Refused(f"There is no task type {value[:_LONGEST_TYPE]!r}….")
    return value


def _member(given: dict[str, Any], name: str, kind: type[Any], words: str) -> Any:
    """Return a member of this type; its empty value when it is absent or null."""
    value = given.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise BadRequest(f"The member {name} must be {words}.")
    return value
