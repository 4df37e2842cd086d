"""
Defect trackers, behind one protocol.

    tracker = trackers.connect(Connection(id=…, kind="redmine", name="Shop bugs", …))
    ticket = tracker.look_up("#12")

Nothing here knows of incidents, runs or requests; see `protocol.Tracker` for what can be
asked and `errors` for what can go wrong.
"""

from tickets.trackers import errors
from tickets.trackers.kinds import KINDS, Kind, connect, problems
from tickets.trackers.protocol import (
    Backlink,
    Capability,
    Category,
    Change,
    Check,
    Choice,
    Connection,
    Draft,
    Finding,
    Page,
    Ticket,
    TicketField,
    Tracker,
    Unread,
)

__all__ = [
    "KINDS",
    "Backlink",
    "Capability",
    "Category",
    "Change",
    "Check",
    "Choice",
    "Connection",
    "Draft",
    "Finding",
    "Kind",
    "Page",
    "Ticket",
    "TicketField",
    "Tracker",
    "Unread",
    "connect",
    "errors",
    "problems",
]
