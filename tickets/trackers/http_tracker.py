"""What the trackers that are reached over HTTP share: limits, the circuit, writers, projects."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tickets.trackers import errors, writers
from tickets.trackers.circuit import Circuit
from tickets.trackers.protocol import (
    Capability,
    Check,
    Choice,
    Finding,
    Ticket,
    Tracker,
    Unread,
    moved,
)
from tickets.trackers.transport import addresses
from tickets.trackers.transport.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from tickets.trackers.protocol import Backlink, Change, Connection, Draft, Page, TicketField
    from tickets.trackers.transport.answer import Answer

#: A ticket that is not there, or no longer.
GONE: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
#: What reading an answer runs into that has other members, or members of another kind.
_MISREAD: Final = (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError)
_MISSHAPEN: Final = "it is not of the shape it should be"
#: No tracker is older; what lies before it cannot be reckoned with on all sides.
_FIRST_YEAR: Final = 1970


class HttpTracker(Tracker):
    """
    Turns each question of `Tracker` into one conversation.

    A connector writes the methods whose names begin with `_`; they get the conversation and
    raise `TrackerError`s, and need not think of time, repetition or other writers.
    """

    #: How a mark is written into a text, and found in one.
    mark_form: ClassVar[str] = "[task-center {}]"

    def __init__(self, connection: Connection, within: timedelta | None = None) -> None:
        """Take a connection and how long one question may take; None: `TRACKER_TIMEOUT`."""
        super().__init__(connection)
        self._origin = addresses.require(self._api_url(connection), connection.name)
        self._within = within
        self._circuit = Circuit(connection)

    @classmethod
    def problems_of(cls, connection: Connection) -> Iterator[str]:
        """Yield what is wrong with a connection's base URL; the others add what they know."""
        try:
            addresses.origin(cls._api_url(connection))
        except ValueError as problem:
            yield str(problem)

    @classmethod
    def _api_url(cls, connection: Connection) -> str:
        """Return where the tracker's API lives."""
        return connection.base_url

    # --- what everybody asks ---------------------------------------------------------------

    def look_up(self, text: str) -> Ticket:
        """Read the key, then ask."""
        key = self.parse_key(text)
        with self._talk() as http:
            return self._here(self._get(http, self._id_of(key)), key)

    def read(self, ticket_id: str) -> Ticket:
        """Ask by the id."""
        self._require_id(ticket_id)
        with self._talk() as http:
            return self._get(http, ticket_id)

    def search(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Page[Ticket]:
        """Ask for tickets with these words."""
        with self._talk() as http:
            return self._search(http, " ".join(text.split())[:200], limit, cursor)

    def changes(
        self, since: datetime, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Ticket]:
        """Ask for what changed."""
        with self._talk() as http:
            return self._changes(http, since.astimezone(UTC), limit, cursor)

    def choices(self, field: TicketField) -> Sequence[Choice]:
        """Ask what it offers."""
        with self._talk() as http:
            return self._choices(http, field)

    def create(self, draft: Draft) -> Ticket:
        """Look for the draft's mark first, alone with it, so that a lost answer makes no second."""
        if not draft.summary.strip():
            raise errors.ChangeRefused(self.name, "create it", {"summary": "may not be empty"})
        with self._talk(writes=draft.mark) as http:
            return self._find(http, draft.mark) or self._get(http, self._create(http, draft))

    def change(self, ticket_id: str, change: Change, *, version: str = "") -> Ticket:
        """Look at it, write, and look again: an answer of "done" need not be true."""
        self._require_id(ticket_id)
        if change.summary is not None and not change.summary.strip():
            raise errors.ChangeRefused(self.name, "change it", {"summary": "may not be empty"})
        with self._talk(writes=ticket_id) as http:
            before = self._get(http, ticket_id)
            if version and version != before.version:
                raise errors.ChangeConflict(self.name, before.key)
            if not change:
                return before
            self._change(http, before, change)
            after = self._get(http, ticket_id)
        self._require_done(change, after)
        return after

    def comment(self, ticket_id: str, text: str, *, mark: str) -> str:
        """Look for the mark first."""
        self._require_id(ticket_id)
        with self._talk(writes=ticket_id) as http:
            found = self._find_comment(http, ticket_id, mark)
            return found or self._comment(http, ticket_id, text, mark)

    def backlink(self, ticket_id: str, link: Backlink) -> str:
        """Make it, as this tracker does."""
        self._require_id(ticket_id)
        with self._talk(writes=ticket_id) as http:
            return self._backlink(http, ticket_id, link)

    def check(self) -> Check:
        """Ask who we are, and what that one may do."""
        unknown = Finding(works=None, text="Not tried.")
        findings = dict.fromkeys(Capability, unknown)
        try:
            # Without the circuit: somebody wants to know how it is now.
            with self._exchange() as http:
                findings |= self._findings(http)
        except errors.TrackerError as error:
            findings[Capability.CREDENTIALS] = Finding(works=False, text=str(error))
        except _MISREAD:
            text = "What answers there is no such tracker."
            findings[Capability.CREDENTIALS] = Finding(works=False, text=text)
        else:
            self._circuit.reset()
        return Check(findings)

    # --- what a connector writes -------------------------------------------------------------

    @abstractmethod
    def _headers(self) -> Mapping[str, str]:
        """Return the credentials as headers."""

    @abstractmethod
    def _id_of(self, key: str) -> str:
        """Return what a parsed key is asked by."""

    @abstractmethod
    def _is_id(self, ticket_id: str) -> bool:
        """Return whether a text may be the tracker's own id."""

    @abstractmethod
    def _get(self, http: Exchange, ticket_id: str) -> Ticket:
        """Return a ticket, or raise `TicketNotFound`."""

    @abstractmethod
    def _search(self, http: Exchange, text: str, limit: int, cursor: str | None) -> Page[Ticket]:
        """Return tickets with these words."""

    @abstractmethod
    def _changes(
        self, http: Exchange, since: datetime, limit: int, cursor: str | None
    ) -> Page[Ticket]:
        """Return what changed, oldest first."""

    @abstractmethod
    def _choices(self, http: Exchange, field: TicketField) -> Sequence[Choice]:
        """Return what a field may be; nothing where there is no such field."""

    @abstractmethod
    def _find(self, http: Exchange, mark: str) -> Ticket | None:
        """Return the ticket that was made of this mark."""

    @abstractmethod
    def _create(self, http: Exchange, draft: Draft) -> str:
        """Make a ticket and return its id."""

    @abstractmethod
    def _change(self, http: Exchange, before: Ticket, change: Change) -> None:
        """Write what differs."""

    @abstractmethod
    def _find_comment(self, http: Exchange, ticket_id: str, mark: str) -> str | None:
        """Return the id of the comment of this mark."""

    @abstractmethod
    def _comment(self, http: Exchange, ticket_id: str, text: str, mark: str) -> str:
        """Write a comment and return its id."""

    @abstractmethod
    def _findings(self, http: Exchange) -> dict[Capability, Finding]:
        """Return what works, without writing."""

    def _backlink(self, http: Exchange, ticket_id: str, link: Backlink) -> str:
        """Write it as a comment; a tracker with links of its own does better."""
        found = self._find_comment(http, ticket_id, link.global_id)
        text = f"{link.title}: {link.url}"
        if link.summary:
            text += f"\n\n{link.summary}"
        return found or self._comment(http, ticket_id, text, link.global_id)

    # --- what they use -----------------------------------------------------------------------

    def _marked(self, text: str, mark: str) -> str:
        """Return a text with a mark below it."""
        marker = self.mark_form.format(mark)
        return f"{text}\n\n{marker}" if text else marker

    def _has_mark(self, text: str | None, mark: str) -> bool:
        return self.mark_form.format(mark) in (text or "")

    def _good(
        self, answer: Answer, what: str, key: str = "", names: Mapping[str, str] | None = None
    ) -> Answer:
        """
        Return an answer that says yes.

        Args:
            answer: The tracker's.
            what: For the text: `"create it"`.
            key: Of the ticket that was asked for; empty: a 404 is about the connection.
            names: From the tracker's names of fields to ours.
        """
        if answer.is_good:
            return answer
        if answer.status in GONE:
            if key:
                raise errors.TicketNotFound(self.name, key)
            reason = f"There is nothing at its address to {what} ({answer.status})."
            raise errors.ConnectionInvalid(self.name, [reason])
        if answer.status == HTTPStatus.FORBIDDEN:
            raise errors.AccessRefused(self.name, what, answer.detail())
        if answer.status == HTTPStatus.PRECONDITION_FAILED:
            raise errors.ChangeConflict(self.name, key)
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            problems = self._problems(answer, names or {})
            raise errors.ChangeRefused(self.name, what, problems)
        raise errors.TrackerUnreachable(self.name, f"it answers with {answer.status}")

    def _problems(self, answer: Answer, names: Mapping[str, str]) -> dict[str, str]:
        """Return what the tracker says is wrong: field to text."""
        return {"": answer.detail() or f"status {answer.status}"}

    def _found(self, read: Callable[[], Any]) -> Finding:
        """Return whether something that only reads works."""
        try:
            read()
        except errors.TrackerError as error:
            return Finding(works=False, text=str(error))
        return Finding(works=True)

    def _each(
        self,
        rows: Iterable[Mapping[str, Any] | errors.AnswerTooLarge],
        show: Callable[[Mapping[str, Any]], Ticket],
        name: str = "id",
    ) -> list[Ticket | Unread]:
        """
        Return the tickets of a list's rows; one that cannot be read keeps no other one back.

        Args:
            rows: As the tracker sent them, or why it could not.
            show: Returns the ticket of a row.
            name: Of the member that holds the tracker's own id.

        Raises:
            KeyError: a row has none.
        """

        def read(row: Mapping[str, Any] | errors.AnswerTooLarge) -> Ticket | Unread:
            if isinstance(row, errors.AnswerTooLarge):
                return Unread("", str(row))
            # A row without one is no ticket's, and the list none of tickets.
            ticket_id = str(row[name])
            try:
                return show(row)
            except errors.AnswerUnusable as error:
                return Unread(ticket_id, str(error))
            except _MISREAD:
                return Unread(ticket_id, str(errors.AnswerUnusable(self.name, _MISSHAPEN)))

        return [read(row) for row in rows]

    def _require_id(self, ticket_id: str) -> None:
        if not self._is_id(ticket_id):
            raise errors.TicketNotFound(self.name, ticket_id)

    def _require_done(self, change: Change, after: Ticket) -> None:
        """Raise where the tracker said yes and did something else."""
        wanted = {
            "summary": (change.summary, after.summary),
            "status": (change.status, after.status),
            "assignee": (change.assignee, after.assignee),
        }
        undone = {
            name: f"it is still {errors.shown(found)}"
            for name, (asked, found) in wanted.items()
            if asked is not None and asked.strip().casefold() != found.strip().casefold()
        }
        if undone:
            raise errors.ChangeRefused(self.name, "change it", undone)

    def _here(self, ticket: Ticket, asked: str) -> Ticket:
        """Return a ticket of the connection's project, which knows what it was asked for by."""
        project = self.connection.project
        if project and ticket.project and ticket.project.casefold() != project.casefold():
            if ticket.key.casefold() != asked.casefold():
                raise errors.TicketMoved(self.name, asked, ticket.key)
            raise errors.TicketElsewhere(self.name, asked, project)
        return moved(ticket, asked)

    def _exchange(self) -> Exchange:
        return Exchange(self.name, self._origin, self._headers(), self._within)

    @contextmanager
    def _talk(self, *, writes: str = "") -> Iterator[Exchange]:
        """Open a conversation; one that writes to a ticket is the only one that does."""
        if writes:
            with writers.alone(self.connection, writes), self._talk() as http:
                yield http
            return
        self._circuit.enter()
        try:
            with self._exchange() as http:
                yield http
        except errors.TrackerError as error:
            self._circuit.failed(error)
            raise
        except _MISREAD as error:
            # JSON of another shape than this tracker's, somewhere within a connector.
            raise errors.AnswerUnusable(self.name, _MISSHAPEN) from error
        self._circuit.answered()


def named(rows: Iterable[Mapping[str, Any]]) -> list[Choice]:
    """Return choices of rows that have an `id` and a `name`, each name once."""
    found = {str(row["name"]): Choice(str(row["id"]), str(row["name"])) for row in rows}
    return list(found.values())


def moment(text: Any, tracker: str) -> datetime:
    """
    Return an ISO moment as trackers write it, in UTC.

    Raises:
        AnswerUnusable: it is none.
    """
    try:
        return in_utc(datetime.fromisoformat(str(text)))
    except (ValueError, OverflowError):
        raise errors.AnswerUnusable(tracker, "it has a moment that is none") from None


def in_utc(found: datetime) -> datetime:
    """
    Return a moment in UTC, which it is in without a time zone.

    Raises:
        ValueError: it is before there were trackers.
        OverflowError: likewise, or after all years.
    """
    here = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    if here.year < _FIRST_YEAR:
        raise ValueError(here)
    return here
