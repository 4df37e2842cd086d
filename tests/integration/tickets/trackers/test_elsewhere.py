"""Tickets that were moved, and trackers that answer for another project."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database

from backgroundtasks import clock
from tests.support.trackers.github import FakeGithub, GithubPlace
from tests.support.trackers.hostile import Hostile, answer
from tests.support.trackers.jira import FakeJira, JiraPlace
from tests.support.trackers.redmine import RedminePlace, RedmineServer
from tickets import trackers
from tickets.trackers import Change, Connection, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def jira(fake_jiras: dict[str, FakeJira]) -> JiraPlace:
    return JiraPlace(fake_jiras["cloud"])


class TestJira:
    def test_follows_a_ticket_where_it_may_be_anywhere(self, jira: JiraPlace) -> None:
        ticket = jira.made()
        key = jira.server.move(ticket.id, "OTH")

        found = jira.tracker(project="").look_up(ticket.key)

        assert (found.id, found.key, found.moved_from) == (ticket.id, key, ticket.key)

    def test_says_where_a_ticket_has_gone(self, jira: JiraPlace) -> None:
        ticket = jira.made()
        key = jira.server.move(ticket.id, "OTH")

        with pytest.raises(errors.TicketMoved) as refusal:
            jira.tracker().look_up(ticket.key)

        assert refusal.value.moved_to == key
        assert str(refusal.value) == (
            f"The ticket '{ticket.key}' of Jira was moved: it is '{key}' now."
        )

    def test_still_knows_it_by_its_id(self, jira: JiraPlace) -> None:
        ticket = jira.made()
        key = jira.server.move(ticket.id, "OTH")

        assert jira.tracker().read(ticket.id).key == key

    def test_refuses_the_key_of_another_project_without_asking(self, jira: JiraPlace) -> None:
        asked = len(jira.server.requests)

        with pytest.raises(errors.TicketElsewhere, match="not of the project 'TST'"):
            jira.tracker().look_up("OTH-1")

        assert len(jira.server.requests) == asked

    def test_names_the_ways_that_there_are(self, jira: JiraPlace) -> None:
        ticket = jira.made()

        with pytest.raises(errors.ChangeRefused) as refusal:
            jira.tracker().change(ticket.id, Change(status="Nowhere"))

        assert "there is In Progress, Done" in refusal.value.problems["status"]

    def test_passes_on_what_jira_says_of_a_field(self, jira: JiraPlace) -> None:
        with pytest.raises(errors.ChangeRefused) as refusal:
            jira.made("x" * 300)

        assert refusal.value.problems == {"summary": "You must specify a summary of the issue."}

    def test_makes_nothing_without_a_project(self, jira: JiraPlace) -> None:
        with pytest.raises(errors.ChangeRefused, match="names none to make it in"):
            jira.tracker(project="").create(jira.draft())

    def test_wrong_credentials_are_told_apart(self, jira: JiraPlace) -> None:
        wrong = jira.tracker(secret="wrong-7")

        with pytest.raises(errors.CredentialsRefused) as refusal:
            wrong.look_up("TST-1")
        check = wrong.check()

        assert "wrong-7" not in str(refusal.value)
        assert check.findings[trackers.Capability.CREDENTIALS].works is False
        assert not check.works


class TestGithub:
    @pytest.fixture
    def place(self, fake_github: FakeGithub) -> GithubPlace:
        return GithubPlace(fake_github)

    def test_says_where_a_ticket_has_gone(self, place: GithubPlace) -> None:
        ticket = place.made()
        number = place.server.move(int(ticket.id), "shop/other")

        with pytest.raises(errors.TicketMoved) as refusal:
            place.tracker().look_up(ticket.key)

        assert refusal.value.moved_to == f"shop/other#{number}"

    def test_takes_the_number_in_another_repository_for_none_of_its_own(
        self, place: GithubPlace
    ) -> None:
        place.made()
        ticket = place.made()
        number = place.server.move(int(ticket.id), "shop/other")
        assert number != int(ticket.id)

        with pytest.raises(errors.TicketMoved) as refusal:
            place.tracker().read(ticket.id)

        assert refusal.value.moved_to == f"shop/other#{number}"

    def test_asks_for_words_that_github_takes_for_operators(self, place: GithubPlace) -> None:
        place.tracker().search("refund AND NOT rounded")

        asked = place.server.requests[-1].query["q"]
        assert asked.startswith("refund and not rounded repo:")

    def test_takes_a_pull_request_for_none(self, place: GithubPlace) -> None:
        ticket = place.made()
        place.server.issues["shop/web", int(ticket.id)]["shown"]["pull_request"] = {}

        with pytest.raises(errors.TicketNotFound):
            place.tracker().look_up(ticket.key)

    def test_sees_that_somebody_was_left_out(self, place: GithubPlace) -> None:
        ticket = place.made()

        with pytest.raises(errors.ChangeRefused) as refusal:
            place.tracker().change(ticket.id, Change(assignee="stranger"))

        assert refusal.value.problems == {"assignee": "it is still ''"}

    def test_is_asked_beside_its_pages(self) -> None:
        tracker = trackers.connect(
            Connection(
                id=uuid4(),
                kind="github",
                name="GitHub",
                base_url="https://github.com",
                secret="x",
                project="shop/web",
            )
        )

        assert str(tracker._origin) == "https://api.github.com"  # type: ignore[attr-defined]
        assert tracker.parse_key("https://github.com/shop/web/issues/7") == "#7"


@pytest.mark.skipif(database.vendor != "sqlite", reason="Redmine sees nothing of our database")
class TestRedmine:
    @pytest.fixture
    def place(self, redmine_server: RedmineServer) -> RedminePlace:
        return RedminePlace(redmine_server)

    def test_refuses_a_ticket_of_another_project(self, place: RedminePlace) -> None:
        other = place.server.client().issue.create(project_id="other", subject="Elsewhere")

        with pytest.raises(errors.TicketElsewhere):
            place.tracker().look_up(f"#{other.id}")

    def test_sees_that_a_status_was_not_taken(self, place: RedminePlace) -> None:
        ticket = place.made()
        reporter = place.tracker(secret=place.server.keys["rita"])

        with pytest.raises((errors.ChangeRefused, errors.AccessRefused)):
            reporter.change(ticket.id, Change(status="Closed"))

        assert place.seen(ticket.id).status == "New"

    def test_says_what_a_reporter_may_not(self, place: RedminePlace) -> None:
        check = place.tracker(secret=place.server.keys["rita"]).check()

        assert check.findings[trackers.Capability.CREATE].works
        assert check.findings[trackers.Capability.CHANGE].works is False
        assert not check.works

    def test_refuses_a_project_that_there_is_not(self, place: RedminePlace) -> None:
        with pytest.raises(errors.ConnectionInvalid, match="the project nowhere"):
            place.tracker(project="nowhere").look_up(place.made().key)

    def test_does_not_blame_the_login_for_a_project_that_there_is_not(
        self, place: RedminePlace
    ) -> None:
        check = place.tracker(project="nowhere").check()

        search = check.findings[trackers.Capability.SEARCH]
        assert check.findings[trackers.Capability.CREDENTIALS].works
        assert search.works is False
        assert "the project nowhere" in search.text
        assert not check.works


_ISSUE = {
    "id": 7,
    "project": {"id": 1, "name": "Shop"},
    "tracker": {"id": 1, "name": "Bug"},
    "status": {"id": 1, "name": "New"},
    "priority": {"id": 1, "name": "Normal"},
    "subject": "Refund",
    "updated_on": "2026-01-01T00:00:00Z",
    "assigned_to": {"id": 250, "name": "Person 250"},
}


def redmine_with(server: Hostile, memberships: Any) -> trackers.Tracker:
    """Return a Redmine with one issue, whose members are as told."""
    server.sins = {
        "/issues/7.json": answer(200, json.dumps({"issue": _ISSUE})),
        "/projects/shop.json": answer(200, json.dumps({"project": {"id": 1}})),
        "/issue_statuses.json": answer(
            200, json.dumps({"issue_statuses": [{"id": 1, "name": "New", "is_closed": False}]})
        ),
        "/projects/shop/memberships.json": memberships,
    }
    return trackers.connect(
        Connection(
            id=uuid4(),
            kind="redmine",
            name="Redmine",
            base_url=server.url,
            secret="s" * 40,
            project="shop",
        )
    )


def people(number: int) -> list[dict[str, Any]]:
    return [{"id": n, "user": {"id": n, "name": f"Person {n}"}} for n in range(1, number + 1)]


def test_redmines_people_are_looked_for_on_all_pages() -> None:
    members = people(250)

    def memberships(line: socket.socket, _: threading.Event) -> None:
        offset = int(re.findall(r"[?&]offset=(\d+)", server.requests[-1])[0])
        page = json.dumps({"memberships": members[offset : offset + 100]})
        line.sendall(answer(200, page, Connection="close"))  # as it will be

    with Hostile() as server:
        tracker = redmine_with(server, memberships)
        tracker.change("7", Change(assignee="Person 250"))
        [put] = [head for head in server.requests if head.startswith("PUT")]
        asked = [head.split()[1] for head in server.requests if "memberships" in head]

        with pytest.raises(errors.ChangeRefused, match="is not to be had") as refused:
            tracker.change("7", Change(assignee="Nobody of them"))

    assert put.startswith("PUT /issues/7.json")
    assert len(asked) == 3
    assert str(refused.value).endswith("Person 50, 200 more.")


def test_a_redmine_that_shows_the_same_people_on_each_page_is_asked_twice() -> None:
    with Hostile() as server:
        tracker = redmine_with(server, answer(200, json.dumps({"memberships": people(100)})))

        with pytest.raises(errors.ChangeRefused, match="is not to be had"):
            tracker.change("7", Change(assignee="Nobody of them"))
        asked = [head for head in server.requests if "memberships" in head]

    assert len(asked) == 2


def with_moment(text: str, number: Any = 7) -> str:
    """Return an answer that is a ticket, or a list of one, in every tracker's shape."""
    status = {"id": 1, "name": "New"}
    jira = {"key": "TST-7", "fields": {"summary": "x", "status": status, "updated": text}}
    redmine = {"project": {"id": 1, "name": "x"}, "subject": "x", "updated_on": text}
    issue = {"id": "7", "status": status, **jira, **redmine}
    github = {"number": number, "state": "open", "title": "x", "updated_at": text}
    github["repository_url"] = "https://x/repos/shop/web"
    roundup = {"id": "7", "title": "x", "status": status, "activity": text}
    return json.dumps(
        {
            **issue,
            **github,
            "issue": issue,
            "issues": [issue],
            "items": [github],
            "total": number,
            "total_count": number,
            "results": [{"id": 7, "type": "issue"}],
            "issue_statuses": [status],
            "data": {"attributes": roundup, "@etag": "x", "collection": [roundup]},
        }
    )


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "jira", "user_name": "a@b.c", "project": "TST", "settings": {"edition": "cloud"}},
        {"kind": "jira", "project": "TST", "settings": {"edition": "datacenter"}},
        {"kind": "redmine", "project": "shop"},
        {"kind": "roundup", "user_name": "bot"},
        {"kind": "github", "project": "shop/web"},
    ],
    ids=lambda values: "{kind} {settings[edition]}".format(
        **{"settings": {"edition": ""}, **values}
    ),
)
class TestNonsense:
    """Whatever an answer of 200 holds, it is no ticket."""

    @pytest.fixture
    def server(self) -> Iterator[Hostile]:
        with Hostile() as started:
            yield started

    def test_an_address_that_is_gone_is_no_passing_trouble(
        self, server: Hostile, values: dict[str, Any]
    ) -> None:
        # As Jira Cloud's old search.
        class Everything(dict):  # type: ignore[type-arg]
            def __missing__(self, path: str) -> bytes:
                return answer(410, '{"message": "It was removed."}')

        server.sins = Everything()
        connection = Connection(
            **{"id": uuid4(), "name": "Theirs", "base_url": server.url, "secret": "x", **values}
        )
        tracker = trackers.connect(connection)

        with pytest.raises(errors.TicketNotFound):
            tracker.read("7")
        with pytest.raises(errors.ConnectionInvalid, match=r"410|It was removed"):
            tracker.search("refund")
        assert not tracker.check().works

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "0001-01-01.00:00:00"])
    def test_a_moment_before_all_trackers_is_unusable(
        self, server: Hostile, values: dict[str, Any], moment: str
    ) -> None:
        class Everything(dict):  # type: ignore[type-arg]
            def __missing__(self, path: str) -> bytes:
                return answer(200, with_moment(moment))

        server.sins = Everything()
        connection = Connection(
            **{"id": uuid4(), "name": "Theirs", "base_url": server.url, "secret": "x", **values}
        )
        tracker = trackers.connect(connection)

        for ask in (lambda: tracker.read("7"), lambda: tracker.search("refund")):
            with pytest.raises(errors.AnswerUnusable):
                ask()

    @pytest.mark.parametrize(
        "body", ["{}", "[]", "null", '"x"', '{"issue": {}, "data": {}, "id": 1}']
    )
    def test_is_unusable(self, server: Hostile, values: dict[str, Any], body: str) -> None:
        class Everything(dict):  # type: ignore[type-arg]
            def __missing__(self, path: str) -> bytes:
                return answer(200, body)

        server.sins = Everything()
        connection = Connection(
            **{"id": uuid4(), "name": "Theirs", "base_url": server.url, "secret": "x", **values}
        )
        tracker = trackers.connect(connection)

        for ask in (lambda: tracker.read("7"), lambda: tracker.search("refund")):
            with pytest.raises(errors.AnswerUnusable):
                ask()
        for write in (
            lambda: tracker.changes(clock.now()),
            lambda: tracker.comment("7", "Hello", mark="test:1"),
            lambda: tracker.change("7", Change(summary="Other")),
            lambda: tracker.create(trackers.Draft(summary="New", mark="test:2")),
        ):
            with contextlib.suppress(errors.TrackerError):
                write()
        assert not tracker.check().works


def test_numbers_without_end_are_unusable() -> None:
    """`1e999` is JSON, and no number that a ticket or a count may be."""
    with Hostile() as server:
        body = with_moment("2026-01-01T00:00:00Z", float("inf")).replace("Infinity", "1e999")
        server.sins = {
            "/api/v3/repos/shop/web/issues/7": answer(200, body),
            "/api/v3/search/issues": answer(200, body),
            "/rest/api/2/search": answer(200, body),
        }
        known = {"id": uuid4(), "name": "Theirs", "base_url": server.url, "secret": "x"}
        github = trackers.connect(Connection(**known, kind="github", project="shop/web"))
        jira = trackers.connect(Connection(**known, kind="jira", project="TST"))

        for ask in (
            lambda: github.read("7"),
            lambda: github.search("refund"),
            lambda: jira.search("refund"),
        ):
            with pytest.raises(errors.AnswerUnusable):
                ask()
