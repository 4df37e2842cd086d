"""One writer to a ticket at a time, among all processes and machines."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import IntegrityError, transaction

from backgroundtasks import clock
from tickets import conf
from tickets.models import TicketWriter
from tickets.trackers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickets.trackers.protocol import Connection

#: How long somebody waits who comes second; most writes take less.
_AGAIN: Final = timedelta(seconds=2)
#: Beyond an operation's own limit: for what is written after it, and for clocks that differ.
_SPARE: Final = timedelta(seconds=15)


@contextmanager
def alone(connection: Connection, ticket_id: str) -> Iterator[None]:
    """
    Hold the right to write to a ticket; `ticket_id` may be the mark of one to be made.

    Whoever is killed with it keeps it to its end, although the machine may know that they are dead:
    what they sent last may still be on its way, and who looked now would not see it.

    Raises:
        TicketBusy: somebody else has it.
    """
    holder = uuid.uuid4()
    until = clock.now() + conf.TRACKER_TIMEOUT + _SPARE
    if not _taken(connection.id, ticket_id, holder, until):
        raise errors.TicketBusy(connection.name, ticket_id, _AGAIN)
    try:
        yield
    finally:
        TicketWriter.objects.filter(holder=holder).delete()


def _taken(system: uuid.UUID, ticket_id: str, holder: uuid.UUID, until: datetime) -> bool:
    """Write the row, or take over one whose time has passed."""
    rows = TicketWriter.objects.filter(system=system, ticket_id=ticket_id)
    if rows.filter(until__lt=clock.now()).update(holder=holder, until=until):
        return True
    try:
        with transaction.atomic():
            TicketWriter.objects.create(
                system=system, ticket_id=ticket_id, holder=holder, until=until
            )
    except IntegrityError:
        return False
    return True
