"""Lists of tickets with long texts are taken in pieces that an answer may be as large as."""

from __future__ import annotations

import json
import re
import socket
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from backgroundtasks import clock
from tests.support.trackers.github import FakeGithub, GithubPlace
from tests.support.trackers.hostile import Hostile, answer
from tickets import trackers
from tickets.trackers import Connection, errors

pytestmark = pytest.mark.django_db

#: Three of them are more than an answer may be.
LONG = "x" * 40_000


@pytest.fixture(autouse=True)
def small(settings: Any, near_trackers: None) -> None:
    settings.TICKETS = {**settings.TICKETS, "TRACKER_ANSWER_LIMIT": 100_000}


class TestGithub:
    @pytest.fixture
    def place(self) -> Any:
        with FakeGithub() as server:
            yield GithubPlace(server)

    def test_a_ticket_is_made_and_found_again_among_long_ones(self, place: GithubPlace) -> None:
        draft = place.draft()
        first = place.tracker().create(draft)
        for number in range(9):
            place.made(f"Number {number}", description=LONG)

        again = place.tracker().create(draft)

        assert again.id == first.id

    def test_changes_search_and_comments_lead_to_everything(self, place: GithubPlace) -> None:
        tracker = place.tracker()
        made = [place.made(f"Refund {number}", description=LONG).key for number in range(9)]
        marks = [f"test:{uuid4()}" for _ in range(9)]
        written = [tracker.comment("1", LONG, mark=mark) for mark in marks]

        since = clock.now() - timedelta(hours=1)
        first = tracker.changes(since, limit=6)
        rest = tracker.changes(since, limit=6, cursor=first.cursor)
        found = tracker.search("refund", limit=6)
        more = tracker.search("refund", limit=6, cursor=found.cursor)

        assert sorted(one.key for one in [*first.items, *rest.items]) == made
        assert sorted(one.key for one in [*found.items, *more.items]) == made
        assert (len(found.items), more.cursor) == (6, None)
        assert [tracker.comment("1", LONG, mark=mark) for mark in marks] == written
        assert len(place.comments("1")) == 9


def issue(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "project": {"id": 1, "name": "Shop"},
        "status": {"id": 1, "name": "New"},
        "subject": f"Refund {number}",
        "description": LONG,
        "updated_on": f"2026-01-01T00:00:{number:02}Z",
    }


def test_redmines_changes_lead_to_everything() -> None:
    rows = [issue(number) for number in range(1, 10)]

    def issues(line: socket.socket, _: threading.Event) -> None:
        asked = server.requests[-1].split()[1]
        offset, limit = (
            int(re.findall(rf"{name}=(\d+)", asked)[0]) for name in ("offset", "limit")
        )
        since = re.findall(r"updated_on=%3E%3D([\dT%A-Z-]+)", asked)[0].replace("%3A", ":")
        known = [row for row in rows if row["updated_on"] >= since]
        body = json.dumps({"issues": known[offset : offset + limit]})
        line.sendall(answer(200, body, Connection="close"))  # as it will be

    with Hostile() as server:
        statuses = {"issue_statuses": [{"id": 1, "name": "New", "is_closed": False}]}
        server.sins = {
            "/issues.json": issues,
            "/projects/shop.json": answer(200, json.dumps({"project": {"id": 1}})),
            "/issue_statuses.json": answer(200, json.dumps(statuses)),
        }
        connection = Connection(
            id=uuid4(),
            kind="redmine",
            name="Redmine",
            base_url=server.url,
            secret="s" * 40,
            project="shop",
        )
        tracker = trackers.connect(connection)
        since = clock.now() - timedelta(days=10_000)
        first = tracker.changes(since, limit=6)
        rest = tracker.changes(since, limit=6, cursor=first.cursor)

    assert [one.id for one in [*first.items, *rest.items]] == [str(row["id"]) for row in rows]


def test_one_that_is_too_large_by_itself_keeps_no_other_change_back() -> None:
    with FakeGithub() as server:
        place = GithubPlace(server)
        for _ in range(3):
            place.made(description=LONG)
        server.issues["shop/web", 2]["shown"]["body"] = LONG * 3

        page = place.tracker().changes(clock.now() - timedelta(hours=1))

        assert sorted(one.id for one in page.items) == ["1", "3"]
        [unread] = page.unread
        assert (unread.id, "larger than 100000 bytes" in unread.reason) == ("", True)
        with pytest.raises(errors.AnswerTooLarge):
            place.tracker().read("2")
