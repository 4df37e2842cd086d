"""What the task types have in common that bring tickets and incidents together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import transaction
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
from backgroundtasks.handlers.fields import OptionalId
from tickets import asking, backlinks, linking, pasted, trackers
from tickets.models import Backlink, ExternalSystemLink, ExternalTicket
from tickets.places import Finder, NewLink, Place, PlaceGone, link_each

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

#: In a run nobody waits: a tracker has all the time that one of its operations may take.
IN_A_RUN: Final = 35.0  # seconds
_LONGEST_WAIT: Final = timedelta(hours=1)
FINDING: Final = "Finding ticket"
CREATING: Final = "Creating incident"
LINKING: Final = "Creating link"
LEADING_BACK: Final = "Linking the ticket back"


class TicketHandler(TaskHandler):
    """A task that asks a tracker: tries again when that does not answer, and makes nothing twice."""

    permissions = (permissions.Role("member"),)
    idempotent = True
    #: With the pauses between them about an hour; then a person retries it.
    max_attempts = 12
    timeout = timedelta(minutes=10)
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

    def lead_back(self, context: TaskContext, row: ExternalTicket, wanted: Backlink | None) -> str:
        """Make the link in the tracker; return why it cannot be made, empty when it is there."""
        if wanted is None:
            return ""
        try:
            return backlinks.make(wanted, row)
        except trackers.errors.TrackerError as error:
            raise again(self, context, error) from None


class KeyField(serializers.CharField):
    """A ticket's key or URL; what a pasted URL holds beside is dropped before anything is stored."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text without secrets."""
        return pasted.without_secrets(str(super().to_internal_value(data)))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A run, and the ticket that it is to link with what failed."""

    context: TaskContext
    found: linking.Found
    place: Place
    parameters: dict[str, Any]


class LinkTicket(TicketHandler):
    """
    Links a ticket, named by its key, with what failed; an incident is kept in step with it.

    Its elements are: find the ticket, find or make the incident, link it.
    """

    #: With the built-in tracker. Behind one that is slow the rest of a batch goes back to the queue, and
    #: the next ones are claimed one at a time.
    short = True
    #: What failed, for people: `step result`.
    word: ClassVar[str]
    #: The route of its resource, whose parts are `place_parts`.
    route: ClassVar[str]

    class Parameters(serializers.Serializer[Any]):
        """The ticket; a subclass adds what failed."""

        Key = KeyField(max_length=1000, help_text="As people write it, or its URL.")
        ExternalSystemLinkId = OptionalId(
            required=False,
            allow_null=True,
            help_text="Which tracker, when the key is in several of the project's.",
        )

    #: Finds it, by account and `place_parts`.
    finder: ClassVar[Finder[Any, Any]]

    @classmethod
    def place_parts(cls, parameters: Mapping[str, Any]) -> dict[str, UUID]:
        """Return the parts of its URL, the last one its own id."""
        raise NotImplementedError

    @classmethod
    def resource(cls, parameters: Mapping[str, Any]) -> Resource:
        """Return what failed."""
        parts = cls.place_parts(parameters)
        own = [*parts.values()][-1]
        kind = cls.word.replace(" ", "")
        return Resource(id=str(own), kind=kind, path=path_of(cls.route, parts))

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """
        Look the ticket up, for three seconds.

        Raises:
            SubmissionRefused: what should be linked, or the tracker, is not there.
            SubmissionFailed: no tracker has the ticket, several have, or it is linked already.
        """
        place = cls._place(actor.account.pk, parameters)
        try:
            links = cls._links(actor.account.pk, place, parameters)
            found = linking.find(links, parameters["Key"], seconds=asking.BEFORE_ACCEPTING)
        except linking.TicketUndecided:
            return  # the run decides
        except linking.LinkRefused as refusal:
            raise SubmissionRefused(str(refusal)) from None
        except linking.TicketRefused as refusal:
            raise SubmissionFailed(str(refusal)) from None
        row = linking.known(found)
        if row is not None and place.links.filter(incident=row.incident_id).exists():
            raise SubmissionFailed(_linked(found.ticket.key, place))

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Find, bring together and link, lead back; each step again and again without harm."""
        context.progress(0, 3, FINDING)
        try:
            place = self._place(context.account_id, parameters)
            row = remembered(context)
            if row is None:
                links = self._links(context.account_id, place, parameters)
                found = linking.find(links, parameters["Key"], seconds=IN_A_RUN)
                context.checkpoint(safe=True)
                context.progress(1, 3, CREATING)
                row, back = self._link(context, found, place, parameters)
            else:
                wish = self._wish(context, row, place, parameters)
                back = None if wish is None else backlinks.keep(wish)
        except (SubmissionRefused, linking.TicketRefused) as refusal:
            raise TaskFailed(str(refusal)) from None
        except linking.TicketUndecided as error:
            raise again(self, context, error) from None
        except PlaceGone:
            # The next attempt finds out which of the two it was.
            raise TaskFailed(
                "What should be linked was removed meanwhile.", temporary=True
            ) from None
        context.progress(2, 3, LEADING_BACK)
        problem = self.lead_back(context, row, back)
        context.progress(3, 3)
        return outcome(row, problem)

    @classmethod
    def perform_together(
        cls, works: Sequence[tuple[TaskContext, dict[str, Any]]]
    ) -> Mapping[UUID, Outcome]:
        """
        Link the tickets of the built-in tracker that have their incident already.

        New incidents, other trackers, and whatever is refused are a run's own business.
        """
        wanted = cls._wanted(works)
        if not wanted:
            return {}
        with transaction.atomic():
            wanted[0].context.commit_with_end()
            linked = cls._link_each(wanted)
        for context, _ in linked:
            context.progress(3, 3, LEADING_BACK)
        return {context.run_id: outcome(row, "") for context, row in linked}

    @classmethod
    def _wanted(cls, works: Sequence[tuple[TaskContext, dict[str, Any]]]) -> list[_Wanted]:
        """Return the runs whose place is there, and whose ticket is in a tracker that is here."""
        asked = [cls._place_key(context.account_id, given) for context, given in works]
        by_project: dict[tuple[Any, ...], list[tuple[TaskContext, Place, dict[str, Any]]]] = {}
        for (context, given), place in zip(works, cls.finder.each(asked), strict=True):
            if place is not None:
                which = (context.account_id, place.project_id, given.get("ExternalSystemLinkId"))
                by_project.setdefault(which, []).append((context, place, given))
        wanted: list[_Wanted] = []
        for (account_id, *_), several in by_project.items():
            _, place, given = several[0]
            with suppress(linking.LinkRefused):
                links = cls._links(account_id, place, given)
                if all(map(asking.is_here, links)):
                    found = linking.find_here(links, (given["Key"] for *_, given in several))
                    wanted += [
                        _Wanted(context, found[given["Key"]], place, given)
                        for context, place, given in several
                        if given["Key"] in found
                    ]
        return wanted

    @classmethod
    def _link_each(cls, wanted: Sequence[_Wanted]) -> list[tuple[TaskContext, ExternalTicket]]:
        """Return the runs that linked, and with what. Within a transaction."""
        known = linking.held_known([one.found for one in wanted])
        # The way back is asked of the row's link, which may have been changed since.
        pairs = [
            (one, row)
            for one, row in zip(wanted, known, strict=True)
            if row is not None and row.link_id == one.found.link.pk
        ]
        links = link_each(
            [
                NewLink(one.place, row.incident_id, row.account_id, one.context.task_id)
                for one, row in pairs
            ]
        )
        made = [pair for pair, link in zip(pairs, links, strict=True) if link and link[1]]
        wishes = [
            (wish, one.found)
            for one, row in made
            if (wish := cls._wish(one.context, row, one.place, one.parameters)) is not None
        ]
        backlinks.make_here(wishes)
        return [(one.context, row) for one, row in made]

    def _link(
        self,
        context: TaskContext,
        found: linking.Found,
        place: Place,
        parameters: dict[str, Any],
    ) -> tuple[ExternalTicket, Backlink | None]:
        """Make the incident and its link together: whoever sees one sees the other."""
        here = asking.is_here(found.link)
        with transaction.atomic():
            if here:
                context.commit_with_end()
            row = linking.bring_together(found, task_id=context.task_id, user_id=context.user_id)
            context.progress(2, 3, LINKING)
            link, created = place.link(row.incident_id, row.account_id, linked_by=context.task_id)
            if not created and link.linked_by != context.task_id:
                raise linking.TicketRefused(_linked(row.key, place))
            back = self._wish(context, row, place, parameters)
            if back is None:
                return row, None
            if here:
                # No other program is asked, so that is one transaction with the rest.
                with suppress(trackers.errors.Temporary):
                    backlinks.ask(back, row)
            back = backlinks.keep(back)
            if back.state != Backlink.State.MADE:
                context.remember(ticket=str(row.pk))
        return row, back

    @classmethod
    def _wish(
        cls,
        context: TaskContext,
        row: ExternalTicket,
        place: Place,
        parameters: dict[str, Any],
    ) -> Backlink | None:
        parts = cls.place_parts(parameters)
        return backlinks.wish(row, cls.route, parts, title=place.title, task_id=context.task_id)

    @classmethod
    def _place(cls, account_id: UUID, parameters: Mapping[str, Any]) -> Place:
        place = cls.finder(*cls._place_key(account_id, parameters))
        if place is None:
            identity = [*cls.place_parts(parameters).values()][-1]
            raise SubmissionRefused(f"The {cls.word} {identity} does not exist.")
        return place

    @classmethod
    def _place_key(cls, account_id: UUID, parameters: Mapping[str, Any]) -> tuple[UUID, ...]:
        return (account_id, *cls.place_parts(parameters).values())

    @classmethod
    def _links(
        cls, account_id: UUID, place: Place, parameters: Mapping[str, Any]
    ) -> list[ExternalSystemLink]:
        link_id = parameters.get("ExternalSystemLinkId")
        if link_id is None:
            return linking.usable_links(account_id, place.project_id)
        link = linking.usable_link(account_id, link_id)
        if link.project_id != place.project_id:
            raise linking.LinkRefused(f"The external system link {link_id} is another project's.")
        return [link]


def again(
    handler: TaskHandler,
    context: TaskContext,
    error: linking.TicketUndecided | trackers.errors.TrackerError,
) -> TaskFailed:
    """Return the end of an attempt: the next one comes when the tracker wants it, or later."""
    wanted = error.retry_after
    if wanted is not None:
        # A tracker that says "at once" each time would use all attempts up in a second.
        wanted = max(min(wanted, _LONGEST_WAIT), handler.pause_before(context.attempt))
    return TaskFailed(str(error), temporary=True, retry_after=wanted)


def outcome(row: ExternalTicket, problem: str) -> Outcome:
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
    """Return what an earlier attempt linked, if one came that far and it is still there."""
    identity = context.memory.get("ticket")
    if identity is None:
        return None
    rows = ExternalTicket.objects.select_related(
        "incident", "link__external_system", "link__project"
    )
    return rows.filter(pk=identity).first()


def _linked(key: str, place: Place) -> str:
    return f"The ticket {key} is linked with this {place.word} already."
