"""Several trackers at once: as long as the slowest, and with names for those who failed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.projects import ProjectFactory
from tests.support.trackers.hostile import Hostile, answer, hang
from tickets import asking, credentials, trackers
from tickets.models import BuiltinTicket, ExternalSystem, ExternalSystemLink, Project
from tickets.trackers import errors

pytestmark = pytest.mark.django_db

STATUS = {"id": 1, "name": "open"}


def issues(*titles: str) -> bytes:
    """Return what a Roundup answers to a search."""
    rows = [
        {"id": str(number), "title": title, "status": STATUS, "activity": "2026-11-25.21:00:00"}
        for number, title in enumerate(titles, 1)
    ]
    return answer(200, json.dumps({"data": {"collection": rows}}))


def link(project: Project, name: str, base_url: str) -> ExternalSystemLink:
    """Return a link to a Roundup at this address; to the built-in tracker without one."""
    system = ExternalSystem(
        account=project.account,
        name=name,
        kind="roundup" if base_url else "builtin",
        base_url=base_url,
        user_name="bot",
    )
    if base_url:
        credentials.keep(system, "hunter2")
    system.save()
    return ExternalSystemLink.objects.create(
        account=project.account,
        external_system=system,
        project=project,
        name=name,
        tracker_project="" if base_url else "TST",
    )


def search(links: list[ExternalSystemLink], *, seconds: float = 30) -> list[asking.Answer[Any]]:
    return asking.ask_all(links, lambda tracker: tracker.search("refund").items, seconds=seconds)


@pytest.fixture
def project() -> Project:
    return ProjectFactory.create()


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as started:
        yield started


def test_gives_each_trackers_tickets_in_the_order_of_the_links(
    project: Project, server: Hostile
) -> None:
    server.sins["/rest/data/issue"] = issues("refund", "refund of all")
    theirs, ours = link(project, "Theirs", server.url), link(project, "Ours", "")
    asking.ask(
        ours, lambda tracker: tracker.create(trackers.Draft(summary="refund", mark="test:1"))
    )
    assert BuiltinTicket.objects.count() == 1

    found = search([theirs, ours])

    assert [[ticket.key for ticket in one.value] for one in found] == [
        ["issue1", "issue2"],
        ["TST-1"],
    ]


def test_asks_all_at_the_same_time(project: Project, server: Hostile) -> None:
    # Nobody is answered before all three have asked: one after the other would never end.
    gate = threading.Barrier(3)

    def together(line: Any, over: threading.Event) -> None:
        gate.wait(20)
        line.sendall(issues("refund"))

    server.sins["/rest/data/issue"] = together
    links = [link(project, f"Number {number}", server.url) for number in range(3)]

    assert [len(one.value or []) for one in search(links)] == [1, 1, 1]


def test_answers_with_what_it_has_and_names_who_failed(project: Project, server: Hostile) -> None:
    server.sins["/rest/data/issue"] = issues("refund")
    with Hostile() as slow, Hostile() as wrong:
        slow.sins["/rest/data/issue"] = hang
        wrong.sins["/rest/data/issue"] = answer(401)
        asked = [
            link(project, "Slow", slow.url),
            link(project, "Good", server.url),
            link(project, "Wrong", wrong.url),
            link(project, "Nonsense", "gopher://x"),
        ]

        found = search(asked, seconds=2)

    assert {one.link.name: type(one.error) for one in found} == {
        "Slow": errors.TrackerSlow,
        "Good": type(None),
        "Wrong": errors.CredentialsRefused,
        "Nonsense": errors.ConnectionInvalid,
    }
    assert {where.name for where, _ in asking.failures(found)} == {"Slow", "Wrong", "Nonsense"}
