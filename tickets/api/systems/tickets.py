"""`/api/project/{id}/tickets`, `/api/externalsystemlink/{id}/ticket/{id}` and its `link`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks import operations
from backgroundtasks.api import kit
from tickets import asking, linking, pasted, trackers
from tickets.api import lookup
from tickets.api.systems import bodies
from tickets.models import ExternalSystemLink, ExternalTicket

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

#: Of one tracker: what lies beyond is found by better words.
_MOST: Final = 100
_FIELDS: Final = {field.value.lower(): field for field in trackers.TicketField}
_Found = tuple[ExternalSystemLink, trackers.Ticket]


class ProjectTickets(kit.ResourceView):
    """The tickets of a project's trackers."""

    def get(self, request: Request, project_id: UUID) -> kit.Response:
        """
        Search all trackers of the project by words or a key.

        They are asked at once; what has answered after five seconds is shown, and `Failures`
        names the others.
        """
        project = lookup.get(lookup.projects(self.actor), project_id, "project")
        wanted = kit.read_slice(request, largest_skip=_MOST)
        text = _told(lookup.wanted_text(request, "q"))
        links = lookup.usable_links(self.actor).filter(project=project).order_by("name", "pk")
        limit = min(_MOST, wanted.skip + wanted.top)
        answers = asking.ask_all(
            list(links),
            lambda tracker: _search(tracker, text, limit),
            seconds=asking.PATIENCE,
        )
        found = _interleaved([(one.link, ticket) for ticket in one.value or ()] for one in answers)
        part = found[wanted.skip : wanted.skip + wanted.top]
        failed = [
            {
                "ExternalSystemLinkId": link.pk,
                "ExternalSystemName": link.name,
                "Message": message,
            }
            for link, message in asking.failures(answers)
        ]
        items = _bodies(request, part)
        return kit.Response(kit.envelope(items, wanted, len(found), Failures=failed))


class TicketById(kit.ResourceView):
    """One ticket of a tracker."""

    def get(self, request: Request, link_id: UUID, ticket: str) -> kit.Response:
        """Return the ticket as the tracker has it now; 503 while it does not answer."""
        link = lookup.get(lookup.external_system_links(self.actor), link_id, "external system link")
        try:
            found = linking.shown(link, ticket)
        except trackers.errors.TrackerError as error:
            raise _translated(error) from None
        return kit.Response(_bodies(request, [(link, found.ticket)])[0])


class TicketLink(kit.ResourceView):
    """The start of a `CreateTicketLink`."""

    #: Whoever may start the task may do this.
    write_role = None

    def post(self, request: Request, link_id: UUID, ticket: str) -> kit.Response:
        """Make an incident that is kept in step with the ticket: 202 and the background task."""
        lookup.get(lookup.external_system_links(self.actor), link_id, "external system link")
        http = request._request  # noqa: SLF001 - the request it wraps
        key = kit.read_idempotency(http, kit.digest_of(kit.read_bytes(http)))
        submission = operations.submit(
            self.actor,
            "CreateTicketLink",
            {"TicketId": ticket, "ExternalSystemLinkId": str(link_id)},
            idempotency=key,
        )
        return kit.started(request, submission)


class LinkField(kit.ResourceView):
    """A field of the tickets of a link."""

    def get(self, request: Request, link_id: UUID, field_name: str) -> kit.Response:
        """Return a page of what the field may be, asked of the tracker; `query` is a part of it."""
        link = lookup.get(lookup.external_system_links(self.actor), link_id, "external system link")
        field = _FIELDS.get(field_name.lower())
        if field is None:
            known = ", ".join(trackers.TicketField)
            raise kit.NotFound(f"There is no field {field_name!r}; there are {known}.")
        wanted = kit.read_slice(request)
        part = lookup.wanted_text(request, "query").casefold()
        try:
            choices = asking.ask(link, lambda tracker: tracker.choices(field))
        except trackers.errors.TrackerError as error:
            raise _translated(error) from None
        items = [
            {"Identifier": choice.id, "Text": choice.text}
            for choice in choices
            if part in choice.text.casefold()
        ]
        shown = items[wanted.skip : wanted.skip + wanted.top]
        return kit.Response(kit.envelope(shown, wanted, len(items)))


def _told(text: str) -> str:
    """Return what trackers are asked for: of a pasted URL nothing that only one of them may know."""
    is_url = "/" in text and len(text.split()) == 1
    return pasted.without_secrets(text) if is_url else text


def _search(tracker: trackers.Tracker, text: str, limit: int) -> list[trackers.Ticket]:
    """Return what a tracker finds; first the ticket of this key, if the text is one."""
    exact = []
    if text.strip():
        try:
            tracker.parse_key(text)
            exact = [tracker.look_up(text)]
        except (trackers.errors.KeyInvalid, trackers.errors.TicketNotFound):
            pass
    ids = {one.id for one in exact}
    return [*exact, *(one for one in tracker.search(text, limit=limit).items if one.id not in ids)]


def _interleaved(of_each: Iterable[Sequence[_Found]]) -> list[_Found]:
    """Return the best of each tracker, then the second best, and so on."""
    return [one for one in chain.from_iterable(zip_longest(*of_each)) if one is not None]


def _bodies(request: Request, found: Sequence[_Found]) -> list[dict[str, Any]]:
    """Return tickets with their incidents. One query, and one more for an expansion."""
    known = ExternalTicket.objects.filter(
        external_system__in={link.external_system_id for link, _ in found},
        project__in={link.project_id for link, _ in found},
        ticket_id__in=[ticket.id for _, ticket in found],
    )
    incidents = {
        (row.external_system_id, row.project_id, row.ticket_id): row.incident_id for row in known
    }
    expands = kit.expansions(request, bodies.TICKET_EXPANDS)
    return [
        bodies.ticket(
            request,
            ticket,
            link,
            incidents.get((link.external_system_id, link.project_id, ticket.id)),
            **({"ExternalSystem": bodies.link(request, link)} if expands else {}),
        )
        for link, ticket in found
    ]


def _translated(error: trackers.errors.TrackerError) -> kit.ApiError:
    """Return what a tracker's refusal is for whoever asked for one ticket."""
    if isinstance(error, trackers.errors.TicketNotFound | trackers.errors.KeyInvalid):
        return kit.NotFound(str(error))
    if error.temporary:
        after = error.retry_after
        seconds = math.ceil(after.total_seconds()) if after is not None else 5
        return kit.Busy(str(error), seconds=max(1, seconds))
    return kit.Failed(str(error))
