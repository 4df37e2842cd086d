"""
Keeping a project's tickets and incidents in step, both ways.

    work = Synchronization(link)
    for _ in work.pull(): …        # what changed in the tracker
    for _ in work.push(): …        # what changed here, what is still to be made, what failed before
    work.end()

A ticket that cannot be brought into step, or not even be read, keeps the reason and holds up no
other one; a tracker that does not answer ends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import F, Min, Q, QuerySet

from backgroundtasks import clock
from indexing import documents
from tickets import backlinks, connections, incidents, linking, merging, new_tickets, trackers
from tickets.merging import Conflict, Fields, Merged
from tickets.models import Backlink, ExternalTicket, Incident, Picklist

if TYPE_CHECKING:
    from uuid import UUID

    from tickets.models import ExternalSystemLink

#: Changes are asked for from this long before the newest one that was seen: a tracker's clock counts
#: seconds, what it stores may be seen a little later, and a ticket may be linked in that moment.
OVERLAP: Final = timedelta(minutes=5)
_PAGE: Final = 100
#: One ticket's trouble. What is in neither of these two concerns the whole tracker.
_OF_ONE: Final = (
    trackers.errors.TicketNotFound,
    trackers.errors.ChangeRefused,
    trackers.errors.ChangeConflict,
    trackers.errors.TicketBusy,
    trackers.errors.AccessRefused,
    trackers.errors.Unsupported,
)
#: One ticket's, too, if the tracker still answers another question; all of its tickets' if not.
_OF_ONE_OR_ALL: Final = (trackers.errors.AnswerUnusable, trackers.errors.TrackerUnreachable)
#: Of a row: how ticket and incident stood when they last agreed.
_KEPT: Final = (
    *("key", "url", "type", "summary", "status", "status_category", "priority"),
    *("assignee", "assigned_to_id", "version", "changed_at", "incident_version", "problem"),
)
_WORDS: Final = {"summary": "Summary", "status": "Status", "assignee": "Assignee"}


@dataclass
class Counts:
    """What was done."""

    #: Incidents that took something from their ticket.
    pulled: int = 0
    #: Tickets that were changed.
    pushed: int = 0
    #: Tickets that were made.
    made: int = 0
    #: Tickets that are not there any more.
    gone: int = 0
    #: Why tickets could not be brought into step, for people: `TST-1: …`.
    failures: list[str] = field(default_factory=list)


class Synchronization:
    """One link's; `began`, `cursor`, `latest` and `unnamed` are what another attempt goes on from."""

    def __init__(
        self,
        link: ExternalSystemLink,
        *,
        began: datetime | None = None,
        cursor: str | None = None,
        latest: datetime | None = None,
        unnamed: Sequence[str] = (),
        counts: Counts | None = None,
    ) -> None:
        """
        Begin, or go on where another attempt stopped.

        Args:
            link: With its external system and project.
            began: When the first attempt began.
            cursor: Of the page of changes that comes next.
            latest: The newest change that was seen.
            unnamed: What is wrong with tickets that could neither be read nor be told apart.
            counts: What was done.

        Raises:
            ConnectionInvalid: the tracker cannot be asked.
        """
        self.link = link
        self.began = began or clock.now()
        self.cursor = cursor
        self.latest = latest
        self.unnamed = list(unnamed)
        self.counts = counts or Counts()
        self.counts.failures += self.unnamed
        self._tracker = connections.tracker_of(link)
        self._seen: set[UUID] = set()
        self._pull_failed = False

    def pull(self) -> Iterator[int]:
        """
        Take over what changed in the tracker.

        Yields:
            After each page, how many tickets it had; `cursor` and `latest` lead on from there.

        Raises:
            TrackerError: the tracker does not tell.
        """
        since = self._since()
        while since is not None:
            try:
                page = self._tracker.changes(since, limit=_PAGE, cursor=self.cursor)
            except trackers.errors.Unsupported:
                yield from self._read_all()
                break
            known = {
                row.ticket_id: row
                for row in self._rows().filter(ticket_id__in=[one.id for one in page.items])
            }
            for ticket in page.items:
                self.latest = max(self.latest or ticket.updated_at, ticket.updated_at)
                if (row := known.get(ticket.id)) is not None:
                    self._bring_into_step(row, ticket)
            for unread in page.unread:
                self._note_unread(unread)
            self.cursor = page.cursor
            yield len(page.items)
            if page.cursor is None:
                break
        self._pull_failed = bool(self.counts.failures)

    def push(self) -> Iterator[int]:
        """
        Write what changed here, make what is to be made, and try again what failed.

        Yields:
            1 after each ticket or link back.

        Raises:
            TrackerError: the tracker does not answer.
        """
        wanted = Q(ticket_id=None, link=self.link.pk)
        changed = ~Q(problem="") | Q(incident_version__lt=F("incident__version_number"))
        waiting = self._rows().filter(wanted | Q(ticket_id__isnull=False) & changed)
        for row in list(waiting.order_by("created_at", "pk")):
            if row.pk not in self._seen:
                if row.ticket_id is None:
                    self._make(row)
                else:
                    self._read(row)
                yield 1
        for back in list(self._open_backlinks()):
            with self._noting(back.ticket):
                backlinks.make(back, back.ticket)
            yield 1

    def end(self) -> None:
        """Store how far the link is in step: `last_synchronized_at` moves only when all of it is."""
        values: dict[str, Any] = {"problem": self._problem()}
        # What could not be read, nor be said which it is, is asked for again with all that came after.
        if self.latest is not None and not self.unnamed:
            values["changed_since"] = max(self.link.changed_since or self.latest, self.latest)
        if not self._pull_failed:
            values["last_pulled_at"] = self.began
        if not self.counts.failures:
            values["last_pushed_at"] = values["last_synchronized_at"] = self.began
        type(self.link).objects.filter(pk=self.link.pk).update(**values)

    @property
    def done(self) -> int:
        """Tickets that were looked at."""
        return len(self._seen)

    # --- one ticket ----------------------------------------------------------------------------

    def _bring_into_step(
        self, row: ExternalTicket, ticket: trackers.Ticket, *, last: bool = False
    ) -> None:
        self._seen.add(row.pk)
        with self._noting(row):
            wanted = self._take(row, ticket)
            if wanted is None:
                return
            if not ticket.version and not last:
                # A list names no version, and without one we would write over what came since.
                ticket = self._tracker.read(ticket.id)
                if ticket.version:
                    self._bring_into_step(row, ticket)
                    return
            try:
                after, problems = self._write(ticket, wanted[0].push)
            except trackers.errors.ChangeConflict:
                if last:
                    raise
                # Somebody was faster: what they changed is merged, too.
                self._bring_into_step(row, self._tracker.read(ticket.id), last=True)
                return
            if not _note(row, after, wanted, problems):
                return
            if problems:
                self._fail(row, row.problem)
            if after is not ticket:
                self.counts.pushed += 1

    def _take(
        self, row: ExternalTicket, ticket: trackers.Ticket
    ) -> tuple[Merged, int, int | None] | None:
        """
        Let the incident take what changed there.

        Returns:
            What is to be written there, with the incident's version and assignee; None: nothing.
        """
        with transaction.atomic():
            if not _held(row):
                return None
            incident = row.incident
            merged = self._merged(row, incident, ticket)
            if merged.take:
                incidents.change(incident.pk, None, self._columns(merged.take))
                incident.refresh_from_db(fields=["version_number", "assigned_to"])
                self.counts.pulled += 1
            if merged.conflicts:
                incidents.comment(incident.pk, None, [_told(row, merged.conflicts)])
            before, was = row.incident_version, row.key
            if merged.push.assignee is None:
                row.assigned_to_id = incident.assigned_to_id
            if _agree(row, ticket, before if merged.push else incident.version_number):
                _store(row)
            if row.key != was:
                documents.index(Incident, [incident.pk])
            if not merged.push:
                return None
            return merged, incident.version_number, incident.assigned_to_id

    def _merged(self, row: ExternalTicket, incident: Incident, ticket: trackers.Ticket) -> Merged:
        then = row.assigned_to
        our_base = Fields(row.summary or row.key, row.status, then.get_username() if then else "")
        ours = our_base
        if incident.version_number > row.incident_version:
            who = incident.assigned_to
            ours = Fields(
                incident.summary,
                incident.status.name if incident.status and row.status else "",
                who.get_username() if who else "",
            )
        return merging.merge(
            ours=ours,
            our_base=our_base,
            theirs=Fields(
                linking.clean(ticket.summary, 1000) or ticket.key,
                linking.clean(ticket.status, 255),
                linking.clean(ticket.assignee, 255),
            ),
            their_base=Fields(row.summary or row.key, row.status, row.assignee),
        )

    def _columns(self, take: dict[str, str]) -> dict[str, Any]:
        """Return the incident's columns for fields of a ticket."""
        project = self.link.project
        columns: dict[str, Any] = {}
        if "summary" in take:
            columns["summary"] = take["summary"]
        if "status" in take:
            word = linking.word(project, Picklist.INCIDENT_STATUS, take["status"])
            if word is not None:
                columns["status_id"] = word.pk
        if "assignee" in take:
            member = linking.member_named(project, take["assignee"])
            columns["assigned_to_id"] = member.pk if member else None
        return columns

    def _write(
        self, ticket: trackers.Ticket, change: trackers.Change
    ) -> tuple[trackers.Ticket, list[str]]:
        """Write to the ticket; where the tracker refuses, field by field, so that one stops no other."""
        try:
            return self._tracker.change(ticket.id, change, version=ticket.version), []
        except trackers.errors.ChangeRefused as refusal:
            single = [
                trackers.Change(**{name: value})
                for name in _WORDS
                if (value := getattr(change, name)) is not None
            ]
            if len(single) == 1:
                return ticket, [str(refusal)]
        problems: list[str] = []
        for one in single:
            try:
                ticket = self._tracker.change(ticket.id, one, version=ticket.version)
            except trackers.errors.ChangeRefused as refusal:
                problems.append(str(refusal))
        return ticket, problems

    def _read(self, row: ExternalTicket) -> None:
        self._seen.add(row.pk)
        with self._noting(row):
            self._bring_into_step(row, self._tracker.read(row.ticket_id or ""))

    def _make(self, row: ExternalTicket) -> None:
        with self._noting(row):
            try:
                new_tickets.make(row)
            except linking.TicketRefused as refusal:
                self._fail(row, str(refusal))
            else:
                self.counts.made += 1

    def _read_all(self) -> Iterator[int]:
        """Look at each ticket: the tracker cannot say what changed."""
        for row in list(self._rows().exclude(ticket_id=None)):
            self._read(row)
            yield 1

    def _note_unread(self, unread: trackers.Unread) -> None:
        """Ask for a ticket by itself that a list does not tell of; that it cannot is a failure, too."""
        if not unread.id:
            told = f"A ticket that changed: {unread.reason}"
            if told not in self.unnamed:
                self.unnamed.append(told)
                self.counts.failures.append(told)
            return
        row = self._rows().filter(ticket_id=unread.id).first()
        if row is not None and row.pk not in self._seen:
            self._read(row)

    @contextmanager
    def _noting(self, row: ExternalTicket) -> Iterator[None]:
        """Keep one ticket's trouble with its row; let the tracker's pass."""
        try:
            yield
        except trackers.errors.TicketNotFound as error:
            # There is nothing left that could be taken over.
            ExternalTicket.objects.filter(pk=row.pk).update(problem=str(error))
            self.counts.gone += 1
        except _OF_ONE as error:
            self._put_aside(row, str(error))
        except _OF_ONE_OR_ALL as error:
            self._require_answering(error)
            self._put_aside(row, str(error))

    def _require_answering(self, error: trackers.errors.TrackerError) -> None:
        """Ask the tracker something that has to do with no ticket; raise the error if it fails, too."""
        try:
            self._tracker.changes(clock.now(), limit=1)
        except trackers.errors.TrackerError:
            raise error from None

    def _put_aside(self, row: ExternalTicket, problem: str) -> None:
        """Keep a ticket's trouble with its row, by which it is found and tried again the next time."""
        ExternalTicket.objects.filter(pk=row.pk).update(problem=problem)
        self._fail(row, problem)

    def _fail(self, row: ExternalTicket, problem: str) -> None:
        self.counts.failures.append(f"{row.key or row.incident.summary[:80]}: {problem}")

    # --- the link ------------------------------------------------------------------------------

    def _rows(self) -> QuerySet[ExternalTicket]:
        return (
            ExternalTicket.objects.filter(
                external_system=self.link.external_system_id, project=self.link.project_id
            )
            .filter(Q(link=self.link.pk) | Q(link=None))
            .select_related(
                "incident__status",
                "incident__assigned_to",
                "link__external_system",
                "link__project",
            )
        )

    def _open_backlinks(self) -> QuerySet[Backlink]:
        open_ones = Backlink.objects.exclude(state=Backlink.State.MADE)
        return open_ones.filter(
            ticket__link=self.link, ticket__ticket_id__isnull=False
        ).select_related(
            "ticket__incident", "ticket__link__external_system", "ticket__link__project"
        )

    def _since(self) -> datetime | None:
        """Return from where on changes are asked for; None while there is no ticket."""
        oldest = self._rows().aggregate(oldest=Min("changed_at"))["oldest"]
        if oldest is None:
            return None
        since: datetime = self.link.changed_since or oldest
        return since - OVERLAP

    def _problem(self) -> str:
        failures = self.counts.failures
        if not failures:
            return ""
        more = f" And {len(failures) - 1:,} more." if len(failures) > 1 else ""
        return f"Not in step: {failures[0]}{more}"


def _held(row: ExternalTicket) -> bool:
    """Hold the incident of a row and read both anew, until the transaction ends; False: one is gone."""
    held = Incident.objects.select_for_update(no_key=True, of=("self",))
    incident = held.select_related("status", "assigned_to").filter(pk=row.incident_id).first()
    there = ExternalTicket.objects.select_for_update(no_key=True).filter(pk=row.pk)
    if incident is None or there.values_list("pk", flat=True).first() is None:
        return False
    row.refresh_from_db(
        fields=[
            *("key", "summary", "status", "assignee", "assigned_to"),
            *("version", "incident_version", "problem"),
        ]
    )
    row.incident = incident
    return True


def _agree(row: ExternalTicket, ticket: trackers.Ticket, incident_version: int) -> bool:
    """Put a ticket into its row; return whether anything is different now."""
    before = _kept(row)
    linking.remember(row, ticket, row.incident)
    row.incident_version = incident_version
    return _kept(row) != before


def _kept(row: ExternalTicket) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _KEPT)


def _store(row: ExternalTicket) -> None:
    """Store what a synchronisation keeps, and nothing else: the link may be going at this moment."""
    row.save(update_fields=[*_KEPT, "ticket_id", "synchronized_at"])


def _note(
    row: ExternalTicket,
    ticket: trackers.Ticket,
    wanted: tuple[Merged, int, int | None],
    problems: Sequence[str],
) -> bool:
    """Store what was written to a ticket, and what was refused; return whether both are still there."""
    merged, version, assigned_to_id = wanted
    with transaction.atomic():
        if not _held(row):
            return False
        before = row.incident_version
        _agree(row, ticket, version)
        if _has_assignee(ticket, merged.push, problems):
            row.assigned_to_id = assigned_to_id
        if problems:
            # It is tried again next time, or when somebody changes the incident.
            row.problem, row.incident_version = " ".join(problems), before
        _store(row)
    return True


def _has_assignee(
    ticket: trackers.Ticket, change: trackers.Change, problems: Sequence[str]
) -> bool:
    """Return whether a ticket got the assignee of a change, also if other fields were refused."""
    wanted = change.assignee
    return not problems or (wanted is not None and ticket.assignee.casefold() == wanted.casefold())


def _told(row: ExternalTicket, conflicts: list[Conflict]) -> str:
    """Return the comment that keeps what the incident had."""
    lines = [
        f"{_WORDS[one.field]}: the ticket's {one.theirs or 'nobody'!r} replaces "
        f"{one.ours or 'nobody'!r}."
        for one in conflicts
    ]
    return "\n".join([f"{row.key} and this incident were both changed.", *lines])
