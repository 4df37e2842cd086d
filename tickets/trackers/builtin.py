"""The built-in tracker: nothing to set up, nothing to reach, the same promises."""

from __future__ import annotations

import re
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.urls import NoReverseMatch, reverse

from backgroundtasks import clock, kept
from tickets.models import (
    BuiltinBacklink,
    BuiltinComment,
    BuiltinProject,
    BuiltinStatus,
    BuiltinTicket,
)
from tickets.trackers import errors
from tickets.trackers.protocol import (
    Capability,
    Category,
    Check,
    Choice,
    Finding,
    Page,
    Ticket,
    TicketField,
    Tracker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from django.db.models import QuerySet

    from tickets.trackers.protocol import Backlink, Change, Connection, Draft

    _Found = kept.Query[[UUID, str, int], tuple[Any, ...]]

_PROJECT: Final = re.compile(r"[A-Z][A-Z0-9_]{0,19}")
_KEY: Final = re.compile(r"(?:([A-Z][A-Z0-9_]{0,19})-)?([0-9]{1,9})")
#: What a pasted URL of a ticket's page ends with.
_PAGE: Final = re.compile(r"/tickets/builtinticket/([0-9]{1,18})(?:/change)?/?$")
_CATEGORIES: Final = {
    BuiltinStatus.OPEN: Category.OPEN,
    BuiltinStatus.IN_PROGRESS: Category.IN_PROGRESS,
    BuiltinStatus.RESOLVED: Category.DONE,
    BuiltinStatus.CLOSED: Category.DONE,
    BuiltinStatus.DONE: Category.DONE,
}


#: Of a row, what a ticket is made of.
_COLUMNS: Final = (
    "pk",
    "project__key",
    "number",
    "summary",
    "status",
    "updated_at",
    "kind",
    "assignee",
    "version",
)
_VALUES: Final = attrgetter(*(name.replace("__", ".") for name in _COLUMNS))


def _of_project(account: UUID, key: str) -> QuerySet[BuiltinTicket]:
    # The account of its tickets is the project's. Named again, it would be what some plans go by.
    return BuiltinTicket.objects.filter(project__account=account, project__key=key)


@kept.query
def _by_pk(account: UUID, project: str, pk: int) -> QuerySet[BuiltinTicket, tuple[Any, ...]]:
    return _of_project(account, project).filter(pk=pk).values_list(*_COLUMNS)


@kept.query
def _by_number(
    account: UUID, project: str, number: int
) -> QuerySet[BuiltinTicket, tuple[Any, ...]]:
    return _of_project(account, project).filter(number=number).values_list(*_COLUMNS)


def _number(key: str) -> int:
    return int(key.rpartition("-")[2])


class BuiltinTracker(Tracker):
    """Tickets of an account, in the project that the connection names."""

    example: ClassVar[str] = "TST-12"

    def __init__(self, connection: Connection, within: timedelta | None = None) -> None:
        """Remember the account, which `kinds.problems` has asked for; nothing takes long here."""
        super().__init__(connection)
        self._account = cast("UUID", connection.account_id)

    @staticmethod
    def problems_of(connection: Connection) -> Iterator[str]:
        """Yield what is wrong with a connection."""
        if not _PROJECT.fullmatch(connection.project):
            yield "The project is a letter and at most 19 letters or digits, in upper case: TST."

    def parse_key(self, text: str) -> str:
        """Take `TST-12`, `tst-12`, `12`, and the address of a ticket's page."""
        typed = text.strip()
        if page := _PAGE.search(typed.partition("?")[0].partition("#")[0]):
            return self._ticket(self._row(_by_pk, int(page[1]), typed)).key
        found = _KEY.fullmatch(typed.upper().removeprefix("#"))
        if not found:
            raise errors.KeyInvalid(self.name, text, self.example)
        project, number = found[1] or self.connection.project, int(found[2])
        if project != self.connection.project:
            raise errors.TicketElsewhere(self.name, typed, self.connection.project)
        return f"{project}-{number}"

    def look_up(self, text: str) -> Ticket:
        """Ask by the key."""
        key = self.parse_key(text)
        return self._ticket(self._row(_by_number, _number(key), key))

    def found_among(self, texts: Iterable[str]) -> dict[str, Ticket]:
        """Return the tickets of those texts of which `look_up` knows one; asks for all together."""
        keys = {}
        for text in texts:
            with suppress(errors.TrackerError):
                keys[text] = self.parse_key(text)
        numbers = {key: _number(key) for key in keys.values()}
        rows = dict(zip(numbers, self._rows_of(_by_number, numbers.values()), strict=True))
        found = {key: self._ticket(row) for key, row in rows.items() if row is not None}
        return {text: found[key] for text, key in keys.items() if key in found}

    def read(self, ticket_id: str) -> Ticket:
        """Ask by the primary key."""
        return self._ticket(self._row(_by_pk, self._pk(ticket_id), ticket_id))

    def search(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Page[Ticket]:
        """Return those that hold every word in summary or description, newest first."""
        rows = self._rows().order_by("-pk")
        for word in text.replace("\0", " ").split()[:10]:
            rows = rows.filter(Q(summary__icontains=word) | Q(description__icontains=word))
        if cursor:
            rows = rows.filter(pk__lt=self._pk(cursor))
        found = list(rows[: limit + 1])
        more = str(found[limit - 1].pk) if len(found) > limit else None
        return Page([self._ticket(_VALUES(row)) for row in found[:limit]], more)

    def create(self, draft: Draft) -> Ticket:
        """Give the next number, in one transaction with the ticket."""
        if not draft.summary.strip():
            raise errors.ChangeRefused(self.name, "create it", {"summary": "may not be empty"})
        made = self._marked(draft.mark)
        if made is None:
            try:
                with transaction.atomic():
                    made = self._made(draft)
            except IntegrityError:
                # Another run made it between the two lines.
                made = self._marked(draft.mark)
                if made is None:
                    raise
        return self._ticket(_VALUES(made))

    def change(self, ticket_id: str, change: Change, *, version: str = "") -> Ticket:
        """Change it in one UPDATE that says which version it expects."""
        values = self._values(change)
        with transaction.atomic():
            rows = self._rows().filter(pk=self._pk(ticket_id))
            if version:
                rows = rows.filter(version=int(version))
            # An UPDATE takes no join that `select_related` asks for.
            if values and not BuiltinTicket.objects.filter(
                pk__in=rows.select_related(None).values("pk")
            ).update(**values, version=F("version") + 1, updated_at=clock.now()):
                key = self.read(ticket_id).key
                raise errors.ChangeConflict(self.name, key)
            return self.read(ticket_id)

    def comment(self, ticket_id: str, text: str, *, mark: str) -> str:
        """Add a comment, once."""
        ticket, *_ = self._row(_by_pk, self._pk(ticket_id), ticket_id)
        with transaction.atomic():
            comment, _ = BuiltinComment.objects.get_or_create(
                ticket_id=ticket, mark=mark, defaults={"text": text}
            )
        return str(comment.pk)

    def backlink(self, ticket_id: str, link: Backlink) -> str:
        """Add or renew a link."""
        [reference] = self.backlink_each([(ticket_id, link)])
        return reference

    def backlink_each(self, links: Sequence[tuple[str, Backlink]]) -> list[str]:
        """
        Add or renew links of tickets; return their ids. All are sent together.

        Raises:
            TicketNotFound: one of the tickets is not there; nothing was written.
        """
        pks = {ticket_id: self._pk(ticket_id) for ticket_id, _ in links}
        for ticket_id, row in zip(pks, self._rows_of(_by_pk, pks.values()), strict=True):
            if row is None:
                raise errors.TicketNotFound(self.name, ticket_id)
        made = [
            BuiltinBacklink(
                ticket_id=pks[ticket_id],
                global_id=link.global_id,
                url=link.url,
                title=link.title[:255],
                summary=link.summary[:1000],
                resolved=link.resolved,
            )
            for ticket_id, link in links
        ]
        kept.upsert_each(
            made,
            unique=("ticket", "global_id"),
            update=("url", "title", "summary", "resolved"),
        )
        return [str(row.pk) for row in made]

    def changes(
        self, since: datetime, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Ticket]:
        """Walk the index of changes; the cursor is the last row that was returned."""
        rows = self._rows().filter(updated_at__gte=since).order_by("updated_at", "pk")
        if cursor:
            moment, _, pk = cursor.partition("|")
            rows = rows.filter(Q(updated_at__gt=moment) | Q(updated_at=moment, pk__gt=int(pk)))
        found = list(rows[: limit + 1])
        more = None
        if len(found) > limit:
            last = found[limit - 1]
            more = f"{last.updated_at.isoformat()}|{last.pk}"
        return Page([self._ticket(_VALUES(row)) for row in found[:limit]], more)

    def choices(self, field: TicketField) -> Sequence[Choice]:
        """Return our statuses: types are whatever people call them, and priorities there are none."""
        if field != TicketField.STATUS:
            return []
        return [Choice(status, status) for status in BuiltinStatus.values]

    def check(self) -> Check:
        """Return that everything works: it is our own database."""
        return Check(dict.fromkeys(Capability, Finding(works=True, text="Built in.")))

    def _rows(self) -> QuerySet[BuiltinTicket]:
        rows = _of_project(self._account, self.connection.project)
        return rows.filter(account_id=self._account).select_related("project")

    def _row(self, found: _Found, identity: int, asked: str) -> tuple[Any, ...]:
        [row] = self._rows_of(found, [identity])
        if row is None:
            raise errors.TicketNotFound(self.name, asked)
        return row

    def _rows_of(self, found: _Found, identities: Iterable[int]) -> list[tuple[Any, ...] | None]:
        asked = [(self._account, self.connection.project, one) for one in identities]
        return [rows[0] if rows else None for rows in found.each(asked)]

    def _pk(self, ticket_id: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", ticket_id):
            raise errors.TicketNotFound(self.name, ticket_id)
        return int(ticket_id)

    def _marked(self, mark: str) -> BuiltinTicket | None:
        # Of any project: a draft that changed its project meanwhile is still the same draft.
        rows = BuiltinTicket.objects.filter(account_id=self._account, mark=mark)
        return rows.select_related("project").first()

    def _made(self, draft: Draft) -> BuiltinTicket:
        projects = BuiltinProject.objects.filter(
            account_id=self._account, key=self.connection.project
        )
        if not projects.update(last_number=F("last_number") + 1):
            with transaction.atomic():
                BuiltinProject.objects.get_or_create(
                    account_id=self._account, key=self.connection.project
                )
            projects.update(last_number=F("last_number") + 1)
        project = projects.get()
        return BuiltinTicket.objects.create(
            account_id=self._account,
            project=project,
            number=project.last_number,
            summary=draft.summary.strip()[:1000],
            description=draft.description,
            kind=(draft.kind or "Bug")[:50],
            mark=draft.mark,
        )

    def _values(self, change: Change) -> dict[str, Any]:
        """Return the columns to set, refusing what no ticket may have."""
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        if change.summary is not None:
            values["summary"] = change.summary.strip()[:1000]
            if not values["summary"]:
                problems["summary"] = "may not be empty"
        if change.status is not None:
            wanted = {status.lower(): status for status in BuiltinStatus.values}
            values["status"] = wanted.get(change.status.lower())
            if values["status"] is None:
                problems["status"] = f"is one of {', '.join(BuiltinStatus.values)}"
        if change.assignee is not None:
            values["assignee"] = change.assignee[:150]
        if problems:
            raise errors.ChangeRefused(self.name, "change it", problems)
        return values

    def _ticket(self, columns: Sequence[Any]) -> Ticket:
        pk, project, number, summary, status, updated_at, kind, assignee, version = columns
        return Ticket(
            id=str(pk),
            key=f"{project}-{number}",
            url=self._url(pk),
            summary=summary,
            status=status,
            category=_CATEGORIES[BuiltinStatus(status)],
            updated_at=updated_at,
            project=project,
            kind=kind,
            assignee=assignee,
            version=str(version),
        )

    def _url(self, pk: int) -> str:
        """Return the ticket's page; without a base URL the path on our own host."""
        try:
            path = reverse("admin:tickets_builtinticket_change", args=[pk])
        except NoReverseMatch:  # a project that mounts no admin
            return ""
        return f"{self.connection.base_url.rstrip('/')}{path}"
