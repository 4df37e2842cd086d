"""Who writes to a ticket of another program."""

from __future__ import annotations

import uuid

from django.db import models


class TicketWriter(models.Model):
    """
    The right to write to one ticket until a moment.

    Trackers limit writes to one ticket, and two runs that look first and then write would
    both find nothing. Whoever dies with it loses it at `until`.
    """

    #: Of the external system; no key, for a writer outlives nothing.
    system = models.UUIDField()
    ticket_id = models.CharField(max_length=255)
    holder = models.UUIDField(default=uuid.uuid4)
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["system", "ticket_id"], name="one_writer_per_ticket")
        ]

    def __str__(self) -> str:
        return self.ticket_id
