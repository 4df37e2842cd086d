"""Operators' pages of attachments: what there is, where, and how it is saved."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers import Actor
from tests.support import factories
from tests.support.projects import (
    AgileRunStepFactory,
    AttachmentFactory,
    IncidentFactory,
    NodeFactory,
    StepResultFactory,
)
from tests.support.uploads import attached
from tickets.models import Attachment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

ADMIN = "/admin/tickets"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(factories.UserFactory.create(is_superuser=True, is_staff=True))
    return client


def desk(actor: Actor, *names: str) -> Client:
    """Return the browser of a member who may see these."""
    actor.user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="tickets", codename__in=[f"view_{name}" for name in names]
        )
    )
    client = Client()
    client.force_login(actor.user)
    return client


def one_of_each() -> dict[str, Any]:
    node = NodeFactory.create(name="pays")
    return {
        "incident": IncidentFactory.create(summary="Refund is lost"),
        "step": StepResultFactory.create(position=2, run__assignment__script__name="Login"),
        "agile": AgileRunStepFactory.create(position=0, run__name="Explore"),
        "node": node,
        "run": node.run,
    }


def test_the_list_says_what_each_belongs_to(
    root: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    owners = one_of_each()
    for owner in owners.values():
        attached(owner)
    root.get(f"{ADMIN}/attachment/")

    with django_assert_max_num_queries(8):
        page = root.get(f"{ADMIN}/attachment/").content.decode()

    test = owners["run"].assignment.automated_test.name
    for text in (
        f"Incident {owners['incident'].number}: Refund is lost",
        "Step 3 of Login",
        "Step 1 of Explore",
        "Result pays",
        f"Run of {test}",
    ):
        assert text in page


@pytest.mark.parametrize("query", ["", "?q=screen", "?p=2"])
def test_the_list_joins_nothing_but_the_rows_of_its_page(root: Client, query: str) -> None:
    """There may be a hundred million nodes, and as many attachments as people like."""
    incident = IncidentFactory.create()
    AttachmentFactory.create_batch(60, incident=incident)

    with CaptureQueriesContext(connection) as asked:
        page = root.get(f"{ADMIN}/attachment/{query}")

    assert len(page.context["cl"].result_list) == (10 if query == "?p=2" else 50)
    joining = [one["sql"] for one in asked if "tickets_resultnode" in one["sql"]]
    assert joining
    assert all('"tickets_attachment"."id" IN (' in sql for sql in joining)


@pytest.mark.parametrize("owner", ["incident", "node", "run"])
def test_pages_show_attachments_with_a_link_to_the_file(root: Client, owner: str) -> None:
    row = one_of_each()[owner]
    made = attached(row, b"evidence", "a <b>.png")
    model = {"incident": "incident", "node": "resultnode", "run": "automatedtestrun"}[owner]

    page = root.get(f"{ADMIN}/{model}/{row.pk}/change/").content.decode()

    [link] = re.findall(rf'href="({ADMIN}/attachment/[^"]+)" download>a &lt;b&gt;.png<', page)
    assert link == f"{ADMIN}/attachment/{made.pk}/content/"
    answer: Any = root.get(link)
    assert b"".join(answer.streaming_content) == b"evidence"
    assert answer["Content-Disposition"] == 'attachment; filename="a <b>.png"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_a_member_saves_files_of_the_own_account_only() -> None:
    member = factories.actor(is_staff=True)
    own = attached(IncidentFactory.create(project__account=member.account))
    foreign = attached(IncidentFactory.create())
    client = desk(member, "attachment")

    assert client.get(f"{ADMIN}/attachment/{own.pk}/content/").status_code == 200
    assert client.get(f"{ADMIN}/attachment/{foreign.pk}/content/").status_code == 404
    page = client.get(f"{ADMIN}/attachment/")
    assert list(page.context["cl"].result_list) == [own]


def test_who_may_not_see_attachments_saves_none() -> None:
    member = factories.actor(is_staff=True)
    own = attached(IncidentFactory.create(project__account=member.account))

    assert desk(member, "incident").get(f"{ADMIN}/attachment/{own.pk}/content/").status_code == 403
    assert Client().get(f"{ADMIN}/attachment/{own.pk}/content/").status_code == 302


def test_a_file_that_is_lost_is_404(root: Client) -> None:
    row = AttachmentFactory.create()

    assert root.get(f"{ADMIN}/attachment/{row.pk}/content/").status_code == 404


@pytest.mark.parametrize("page", ["add/", "{}/delete/"])
def test_nobody_adds_or_deletes(root: Client, page: str) -> None:
    row = AttachmentFactory.create()

    assert root.get(f"{ADMIN}/attachment/{page.format(row.pk)}").status_code == 403
    assert root.get(f"{ADMIN}/attachment/{row.pk}/change/").status_code == 200
    assert Attachment.objects.exists()
