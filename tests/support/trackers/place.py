"""A tracker to try a connector against, seen by somebody else than the connector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from tickets import trackers

if TYPE_CHECKING:
    from tickets.trackers import Connection, Ticket, Tracker


@dataclass(frozen=True)
class Seen:
    """A ticket, as others see it."""

    summary: str
    status: str
    assignee: str
    description: str


class Place(ABC):
    """
    A running tracker and how others look into it: its own program, a vendor's client.

    Nothing below the first line of abstract methods may use a connector.
    """

    connection: Connection
    #: Status names: one that a new ticket has, one that it can get, one that there is not.
    first_status: str
    other_status: str
    done_status: str
    #: What a priority and a type may be, in the tracker's order; empty where there are none.
    priorities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    #: Somebody that a ticket can be assigned to.
    somebody: str
    #: The text of a key that no ticket has.
    unknown_key: str
    #: Keys and URLs that are none of this tracker's.
    wrong_keys: tuple[str, ...]

    def tracker(self, **changes: object) -> Tracker:
        """Return a new connector."""
        return trackers.connect(replace(self.connection, **changes))

    def draft(self, summary: str = "Refund is not rounded", **values: str) -> trackers.Draft:
        """Return a draft with a mark of its own."""
        return trackers.Draft(summary=summary, mark=f"test:{uuid4()}", **values)

    def made(self, summary: str = "Refund is not rounded", **values: str) -> Ticket:
        """Return a ticket that the connector made."""
        return self.tracker().create(self.draft(summary, **values))

    @abstractmethod
    def spellings(self, ticket: Ticket) -> list[str]:
        """Return what people may type or paste for a ticket."""

    @abstractmethod
    def seen(self, ticket_id: str) -> Seen:
        """Return what others see of a ticket."""

    @abstractmethod
    def comments(self, ticket_id: str) -> list[str]:
        """Return the texts that others find written to a ticket."""

    @abstractmethod
    def links(self, ticket_id: str) -> list[str]:
        """Return the addresses that others find in a ticket, each as often as it is there."""

    @abstractmethod
    def count(self, summary: str) -> int:
        """Return how many tickets others find with this summary."""

    @abstractmethod
    def remove(self, ticket_id: str) -> None:
        """Delete a ticket, as its tracker's people would."""
