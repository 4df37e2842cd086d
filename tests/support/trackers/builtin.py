"""The built-in tracker, seen through its tables."""

from __future__ import annotations

from uuid import uuid4

from tests.support.factories import AccountFactory
from tests.support.trackers.place import Place, Seen
from tickets.models import BuiltinBacklink, BuiltinComment, BuiltinTicket
from tickets.trackers import Connection, Ticket


class BuiltinPlace(Place):
    first_status = "Open"
    other_status = "In progress"
    done_status = "Done"
    somebody = "dana"
    unknown_key = "TST-99999"
    wrong_keys = ("", "TST", "TST-", "TST-12x", "T ST-1", "-12", "https://example.org/TST-1/x")

    def __init__(self) -> None:
        self.connection = Connection(
            id=uuid4(),
            kind="builtin",
            name="Ours",
            account_id=AccountFactory.create().pk,
            base_url="https://tasks.example.org",
            project="TST",
        )

    def spellings(self, ticket: Ticket) -> list[str]:
        number = ticket.key.rpartition("-")[2]
        return [
            ticket.key,
            ticket.key.lower(),
            f" {ticket.key}\n",
            number,
            f"#{number}",
            ticket.url,
        ]

    def seen(self, ticket_id: str) -> Seen:
        row = BuiltinTicket.objects.get(pk=ticket_id)
        return Seen(row.summary, row.status, row.assignee, row.description)

    def comments(self, ticket_id: str) -> list[str]:
        rows = BuiltinComment.objects.filter(ticket=ticket_id)
        return list(rows.values_list("text", flat=True))

    def links(self, ticket_id: str) -> list[str]:
        rows = BuiltinBacklink.objects.filter(ticket=ticket_id)
        return list(rows.values_list("url", flat=True))

    def count(self, summary: str) -> int:
        return BuiltinTicket.objects.filter(summary=summary).count()

    def remove(self, ticket_id: str) -> None:
        BuiltinTicket.objects.get(pk=ticket_id).delete()
