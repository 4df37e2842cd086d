"""What the task types have in common that bring tickets and incidents together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from rest_framework import serializers

from backgroundtasks.exceptions import SubmissionFailed, SubmissionRefused
from backgroundtasks.handlers import (
    Actor,
    Outcome,
    Resource,
    TaskContext,
    TaskFailed,
    TaskHandler,
    permissions,
)
from tickets import asking, backlinks, linking, trackers
from tickets.models import ExternalTicket
from tickets.places import Place, PlaceGone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: In a run nobody waits: a tracker has all the time that a request may take.
IN_A_RUN: Final = 35.0  # seconds
#: After these the run fails, with the tracker's reason; a person may retry it.
ATTEMPTS: Final = 6


class TicketHandler(TaskHandler):
    """A task that asks a tracker: tries again when that does not answer, and makes nothing twice."""

    permissions = (permissions.Role("member"),)
    idempotent = True
    max_attempts = ATTEMPTS
    id_separator = "_"

    @classmethod
    def result_members(
        cls, result: Mapping[str, Any], link: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """Return the incident, and a link to it."""
        incident_id = result["IncidentId"]
        return {
            "IncidentId": incident_id,
            "Links": [{"Href": link("incident", incident_id), "Rel": "Incident"}],
        }


class LinkTicket(TicketHandler):
    """
    Links a ticket, named by its key, with what failed; an incident is kept in step with it.

    Its elements are: find the ticket, find or make the incident, link it.
    """

    #: The route of what failed; its parts are `place_parts`.
    route: ClassVar[str]

    class Parameters(serializers.Serializer[Any]):
        """The ticket; a subclass adds what failed."""

        Key = serializers.CharField(max_length=1000, help_text="As people write it, or its URL.")
        ExternalSystemLinkId = serializers.UUIDField(
            required=False,
            allow_null=True,
            help_text="Which tracker, when the key is in several of the project's.",
        )

    @classmethod
    def place(cls, account_id: UUID, parameters: Mapping[str, Any]) -> Place | None:
        """Return what failed; None when the account has no such thing."""
        raise NotImplementedError

    @classmethod
    def place_parts(cls, parameters: Mapping[str, Any]) -> dict[str, UUID]:
        """Return the parts of its URL, the last one its own id."""
        raise NotImplementedError

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return what failed."""
        parts = cls.place_parts(parameters)
        return Resource(
            id=str([*parts.values()][-1]), kind=cls.route, path=path_of(cls.route, parts)
        )

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """
        Look the ticket up, for three seconds.

        Raises:
            SubmissionRefused: what should be linked, or the tracker, is not there.
            SubmissionFailed: no tracker has the ticket, several have, or it is linked already.
        """
        place = cls._place(actor.account.pk, parameters)
        links = cls._links(actor.account.pk, place, parameters)
        try:
            found = linking.find(links, parameters["Key"], seconds=asking.BEFORE_ACCEPTING)
        except linking.TicketUndecided:
            return  # the run decides
        except linking.TicketRefused as refusal:
            raise SubmissionFailed(str(refusal)) from None
        row = linking.known(found)
        if row is not None and place.links.filter(incident=row.incident_id).exists():
            raise SubmissionFailed(_linked(found.ticket.key, place))

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Find, bring together, link; each step again and again without harm."""
        context.progress(0, 3, "Finding ticket")
        try:
            place = self._place(context.account_id, parameters)
            row = remembered(context)
            if row is None:
                links = self._links(context.account_id, place, parameters)
                found = linking.find(links, parameters["Key"], seconds=IN_A_RUN)
                context.progress(1, 3, "Creating incident")
                row = bring_together(context, found)
            context.progress(2, 3, "Creating link")
            link, created = place.link(row.incident, linked_by=context.task_id)
        except (SubmissionRefused, linking.TicketRefused) as refusal:
            raise TaskFailed(str(refusal)) from None
        except linking.TicketUndecided as error:
            raise again(error) from None
        except PlaceGone:
            raise TaskFailed("What should be linked was removed meanwhile.") from None
        if not created and link.linked_by != context.task_id:
            raise TaskFailed(_linked(row.key, place))
        problem = backlink(
            context, row, self.route, self.place_parts(parameters), title=place.title
        )
        context.progress(3, 3, "Task Completed")
        return outcome(row, problem)

    @classmethod
    def _place(cls, account_id: UUID, parameters: Mapping[str, Any]) -> Place:
        place = cls.place(account_id, parameters)
        if place is None:
            identity = [*cls.place_parts(parameters).values()][-1]
            raise SubmissionRefused(f"There is no {cls.route} {identity}.")
        return place

    @classmethod
    def _links(cls, account_id: UUID, place: Place, parameters: Mapping[str, Any]) -> list[Any]:
        link_id = parameters.get("ExternalSystemLinkId")
        if link_id is None:
            return linking.usable_links(account_id, place.project.pk)
        try:
            link = linking.usable_link(account_id, link_id)
        except linking.TicketRefused as refusal:
            raise SubmissionRefused(str(refusal)) from None
        if link.project_id != place.project.pk:
            raise SubmissionRefused(f"The external system link {link_id} is another project's.")
        return [link]


def again(error: linking.TicketUndecided) -> TaskFailed:
    """Return the end of an attempt that another one may follow, not before the tracker wants it."""
    return TaskFailed(str(error), temporary=True, retry_after=error.retry_after)


def outcome(row: ExternalTicket, problem: str | None) -> Outcome:
    """Return what a run made: the incident; with a warning when the way back is missing."""
    result = {"IncidentId": str(row.incident_id), "Key": row.key, "Url": row.url}
    return Outcome(result, warnings=[f"The ticket has no link back: {problem}"] if problem else ())


def path_of(route: str, parts: Mapping[str, Any]) -> str:
    """Return the path of a resource; nothing in a project that does not show it."""
    try:
        return reverse(route, kwargs=dict(parts))
    except NoReverseMatch:
        return ""


def remembered(context: TaskContext) -> ExternalTicket | None:
    """Return what an earlier attempt brought together, if one came that far and it is still there."""
    identity = context.memory.get("ticket")
    if identity is None:
        return None
    return (
        ExternalTicket.objects.filter(pk=identity)
        .select_related("incident", "link__external_system", "link__project")
        .first()
    )


def bring_together(context: TaskContext, found: linking.Found) -> ExternalTicket:
    row = linking.bring_together(found, task_id=context.task_id, user_id=context.user_id)
    context.remember(ticket=str(row.pk))
    return row


def backlink(
    context: TaskContext, row: ExternalTicket, route: str, parts: dict[str, UUID], *, title: str
) -> str | None:
    try:
        return backlinks.make(row, route, parts, title=title, task_id=context.task_id)
    except trackers.errors.TrackerError as error:
        raise again(linking.TicketUndecided(error)) from None


def _linked(key: str, place: Place) -> str:
    return f"The ticket {key} is linked with this {place.word} already."
