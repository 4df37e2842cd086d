"""
What every tracker can be asked, and the values that go there and back.

A tracker's own words stay its own: status, type and priority are the texts that its users
see. Moments are aware, in UTC, by the tracker's clock.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

Item = TypeVar("Item")

#: What a mark and a global id may be: it stands in URLs, labels and texts of all trackers.
_MARK: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a tracker is reached, for one project of ours; made from what an account wrote down."""

    #: The external system's; its circuit and its tickets' writers are known by it.
    id: UUID
    #: One of `kinds.KINDS`.
    kind: str
    #: For texts: what people call it.
    name: str
    #: Whose it is; the built-in tracker keeps its tickets for this account.
    account_id: UUID | None = None
    #: `https://host[:port][/path]`; empty for the built-in tracker.
    base_url: str = ""
    user_name: str = ""
    secret: str = field(default="", repr=False)
    #: The project inside the tracker, as it calls it; empty for all that the login may see.
    project: str = ""
    #: What else the kind wants to know; see `kinds.KINDS`.
    settings: Mapping[str, Any] = field(default_factory=dict)


class Category(StrEnum):
    """What a status means, whatever the tracker calls it."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket as the tracker has it."""

    #: The tracker's own, as a text; stays the same when a ticket is moved, where it can.
    id: str
    #: What people call it: `TST-123`, `#12`, `issue3`.
    key: str
    #: Where people open it.
    url: str
    summary: str
    status: str
    category: Category
    #: When it last changed.
    updated_at: datetime
    #: The project inside the tracker; empty where it has none.
    project: str = ""
    #: Bug, Defect …; empty where tickets have no type.
    kind: str = ""
    priority: str = ""
    #: The login of whom it is assigned to, as the tracker takes it in a change; empty: nobody.
    assignee: str = ""
    #: For `change`: names this state of the ticket.
    version: str = ""
    #: The key it was asked for by, when the tracker calls it otherwise now.
    moved_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A ticket to be made."""

    summary: str
    description: str = ""
    #: Ours; a second draft of the same mark finds the first one's ticket.
    mark: str
    #: In the tracker's words; empty: its usual one.
    kind: str = ""

    def __post_init__(self) -> None:
        _require_mark(self.mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different; None leaves it alone, an empty assignee is nobody."""

    summary: str | None = None
    status: str | None = None
    assignee: str | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.summary, self.status, self.assignee))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlink:
    """A link from a ticket to a place of ours."""

    #: Ours; a second link of the same id replaces the first or leaves it alone.
    global_id: str
    url: str
    title: str
    summary: str = ""
    #: Whether what it leads to is done with; trackers with real links strike it through.
    resolved: bool = False

    def __post_init__(self) -> None:
        _require_mark(self.global_id)


@dataclass(frozen=True, slots=True)
class Unread:
    """A ticket of a list that the list cannot be read of."""

    #: The tracker's own; empty where not even that can be read.
    id: str
    #: Why not, for people.
    reason: str


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of what was found; `cursor` leads to more, None at the end."""

    items: Sequence[Item]
    cursor: str | None = None
    #: Of `changes`: tickets that changed, too; one may come again with a later page.
    unread: Sequence[Unread] = ()


class TicketField(StrEnum):
    """A field of a ticket that is chosen from what the tracker offers."""

    STATUS = "Status"
    PRIORITY = "Priority"
    TYPE = "Type"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a field of a ticket may be."""

    #: The tracker's own; the text itself where it has none.
    id: str
    text: str


class Capability(StrEnum):
    """What a connection may be good for."""

    CREDENTIALS = "credentials"
    SEARCH = "search"
    CREATE = "create"
    CHANGE = "change"
    COMMENT = "comment"
    BACKLINK = "backlink"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether one thing works, and why not; None: only trying it would tell."""

    works: bool | None
    #: For people: who we are there, how it is done, or what is wrong.
    text: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """What a connection is good for, found without writing anything there."""

    #: Each capability once.
    findings: Mapping[Capability, Finding]

    @property
    def works(self) -> bool:
        """Whether nothing that was tried failed."""
        return all(finding.works is not False for finding in self.findings.values())


class Tracker(ABC):
    """
    One connection's tracker. Made by `connect`, used by one thread, kept for no longer than a run.

    Every method may raise any `TrackerError`, takes 30 s at the most, and can be repeated:
    what has a mark or a global id is made once however often it is asked for.
    """

    #: For the person who types a wrong key.
    example: ClassVar[str]

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.name = connection.name

    @abstractmethod
    def parse_key(self, text: str) -> str:
        """
        Return what a person typed or pasted (a key, a URL) as the tracker's key, without asking it.

        Raises:
            KeyInvalid: it is neither.
            TicketElsewhere: it names another project than the connection's.
        """

    @abstractmethod
    def look_up(self, text: str) -> Ticket:
        """
        Return the ticket that a person means by a key or a pasted URL.

        Raises:
            KeyInvalid: it is neither.
            TicketNotFound: the tracker has none, or it is of another project.
        """

    @abstractmethod
    def read(self, ticket_id: str) -> Ticket:
        """
        Return the ticket of the tracker's own id, wherever it was moved to.

        Raises:
            TicketNotFound: there is none any more.
        """

    @abstractmethod
    def search(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Page[Ticket]:
        """Return tickets that hold the words, newest or best first; of the connection's project."""

    @abstractmethod
    def create(self, draft: Draft) -> Ticket:
        """
        Return the ticket of the draft's mark; make it unless it is there.

        Raises:
            ChangeRefused: the tracker wants other or more fields.
        """

    @abstractmethod
    def change(self, ticket_id: str, change: Change, *, version: str = "") -> Ticket:
        """
        Change a ticket, look at it again, and return it as it is then.

        Args:
            ticket_id: The tracker's own id.
            change: What is to be different.
            version: Of the ticket as it was known; empty: whatever it is.

        Raises:
            ChangeConflict: it has another version now.
            ChangeRefused: the tracker refused some of it, or took it and did not do it.
        """

    @abstractmethod
    def comment(self, ticket_id: str, text: str, *, mark: str) -> str:
        """Return the tracker's id of the comment of this mark; write it unless it is there."""

    @abstractmethod
    def backlink(self, ticket_id: str, link: Backlink) -> str:
        """Return the tracker's id of the link of this global id; make it unless it is there."""

    @abstractmethod
    def changes(
        self, since: datetime, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Ticket]:
        """
        Return tickets of the connection's project that changed at `since` or later, oldest first.

        A ticket that changes while pages are read may come twice; none is left out. One that
        cannot be read stands in `unread` and keeps no other one back.
        """

    @abstractmethod
    def choices(self, field: TicketField) -> Sequence[Choice]:
        """
        Return what a field may be in the connection's project, in the tracker's order.

        Nothing where tickets have no such field, or where any text fits.
        """

    @abstractmethod
    def check(self) -> Check:
        """Return what works; raises nothing, for what is wrong stands in the findings."""


def moved(ticket: Ticket, asked: str) -> Ticket:
    """Return a ticket that says it was asked for by another key, where it was."""
    return ticket if ticket.key == asked else replace(ticket, moved_from=asked)


def _require_mark(mark: str) -> None:
    if not _MARK.fullmatch(mark):
        raise ValueError(mark)
