"""Operators' pages of test results."""

import html
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers import Actor
from backgroundtasks.states import State
from indexing import documents, search, tql
from tests.support import factories
from tests.support.http import Caller
from tests.support.projects import (
    AssignmentFactory,
    CustomFieldFactory,
    IncidentFactory,
    NodeFactory,
    PicklistItemFactory,
    ProjectFactory,
    RunFactory,
    pick,
)
from tickets import removal, visibility
from tickets.models import (
    AutomatedTest,
    AutomatedTestRun,
    CustomField,
    Incident,
    PicklistItem,
    Project,
    ResultNode,
)

pytestmark = pytest.mark.django_db

ADMIN = "/admin/tickets"
MODELS = [
    "project",
    "executionpackage",
    "automatedtest",
    "automatedtestassignment",
    "automatedtestrun",
    "resultnode",
]


@pytest.fixture
def root() -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(factories.UserFactory.create(is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def member() -> Actor:
    """A member of an account who may look into the admin."""
    actor = factories.actor(is_staff=True)
    actor.user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="tickets", codename__startswith="view_")
    )
    return actor


@pytest.fixture
def desk(member: Actor) -> Client:
    """That member's browser."""
    client = Client()
    client.force_login(member.user)
    return client


def listed(client: Client, model: str, **query: Any) -> list[Any]:
    answer = client.get(f"{ADMIN}/{model}/?{urlencode(query)}")
    assert answer.status_code == 200, answer
    return list(answer.context["cl"].result_list)


def one_of_each(actor: Actor | None = None) -> ResultNode:
    account = {"assignment__automated_test__project__account": actor.account} if actor else {}
    run = RunFactory.create(status="Failed", failed=1, **account)
    node: ResultNode = NodeFactory.create(
        run=run, name="refund_is_rounded", status="Failed", needs_attention=True
    )
    return node


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_list_and_a_page(root: Client, model: str) -> None:
    node = one_of_each()

    [row] = listed(root, model)

    answer = root.get(f"{ADMIN}/{model}/{row.pk}/change/")
    assert answer.status_code == 200
    assert str(row.pk) in answer.content.decode()
    assert ResultNode.objects.get() == node


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("word", ["Needle", "needle"])
def test_every_list_can_be_searched(root: Client, model: str, word: str) -> None:
    for name in ("Needle in hay", "Other"):
        node = one_of_each()
        run = node.run
        for row in (
            run.assignment.package.project,
            run.assignment.package,
            run.assignment.automated_test,
            node,
        ):
            row.name = name
            row.save()

    assert len(listed(root, model)) == 2
    assert len(listed(root, model, q=word)) == 1


@pytest.mark.parametrize("model", MODELS)
def test_a_member_sees_the_own_account_only(desk: Client, member: Actor, model: str) -> None:
    one_of_each()
    theirs = one_of_each(member)
    foreign = ResultNode.objects.exclude(pk=theirs.pk).get()

    [row] = listed(desk, model)

    assert desk.get(f"{ADMIN}/{model}/{row.pk}/change/").status_code == 200
    if model == "resultnode":
        assert row == theirs
        assert desk.get(f"{ADMIN}/{model}/{foreign.pk}/change/").status_code == 302


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("page", ["add/", "{}/delete/"])
def test_nobody_adds_or_deletes(root: Client, model: str, page: str) -> None:
    one_of_each()
    [row] = listed(root, model)

    assert root.get(f"{ADMIN}/{model}/{page.format(row.pk)}").status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_a_list_never_counts_its_whole_table(
    root: Client, model: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        one_of_each()
    listed(root, model)

    with django_assert_max_num_queries(8) as asked:
        listed(root, model)

    counts = [query["sql"] for query in asked.captured_queries if "COUNT(" in query["sql"]]
    assert all("LIMIT" in sql for sql in counts)


def test_a_runs_page_leads_to_all_of_its_nodes(root: Client) -> None:
    failed = one_of_each()
    passed = NodeFactory.create(run=failed.run, name="passes")
    NodeFactory.create(name="elsewhere")

    page = root.get(f"{ADMIN}/automatedtestrun/").content.decode()
    [link] = re.findall(rf'href="({ADMIN}/resultnode/[^"]*{failed.run_id})"', page)

    assert listed(root, "resultnode") == [failed]
    answer = root.get(link)
    assert set(answer.context["cl"].result_list) == {failed, passed}


def test_staged_runs_are_shown_to_operators(root: Client) -> None:
    RunFactory.create(stage="staged", imported_at=None)

    assert [run.stage for run in listed(root, "automatedtestrun", stage__exact="staged")] == [
        "staged"
    ]
    assert not AutomatedTestRun.objects.shown().exists()


def test_a_name_that_was_put_right_is_found_by_search(root: Client) -> None:
    caller = Caller()
    assignment = AssignmentFactory.create(automated_test__project__account=caller.actor.account)
    test = assignment.automated_test

    answer = root.post(
        f"{ADMIN}/automatedtest/{test.pk}/change/",
        {"name": "Checkout", "type": "UnitTest", "configuration": "{}"},
    )

    assert answer.status_code == 302, answer.content.decode()
    assert AutomatedTest.objects.get().name == "Checkout"
    found = caller.get("/api/search?tql=Name%20~%20checkout").json()["Items"]
    assert {item["EntityType"] for item in found} == {"AutomatedTest", "AutomatedTestAssignment"}


class TestWordsOfAProject:
    @pytest.fixture
    def project(self, member: Actor) -> Project:
        member.user.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label="tickets", codename__endswith="picklistitem"
            )
        )
        return ProjectFactory.create(account=member.account)

    def sent(self, project: Project, **values: str) -> dict[str, str]:
        return {
            "project": str(project.pk),
            "picklist": "Component",
            "name": "Basket",
            "order_number": "0",
            **values,
        }

    def test_are_added(self, desk: Client, project: Project) -> None:
        answer = desk.post(f"{ADMIN}/picklistitem/add/", self.sent(project))

        assert answer.status_code == 302, answer.context["adminform"].form.errors
        word = PicklistItem.objects.get()
        assert (word.project, word.account, word.name) == (project, project.account, "Basket")

    def test_are_renamed_and_stay_in_their_picklist_and_search_follows(
        self, desk: Client, project: Project
    ) -> None:
        word = PicklistItemFactory.create(project=project, name="Checkout")
        incident = IncidentFactory.create(project=project)
        pick(incident, word, "Component")
        documents.index(Incident, [incident.pk])

        sent = self.sent(project, picklist="Version")
        answer = desk.post(f"{ADMIN}/picklistitem/{word.pk}/change/", sent)

        assert answer.status_code == 302
        word.refresh_from_db()
        assert (word.name, word.picklist) == ("Basket", "Component")
        for query, count in {"Components = Basket": 1, "Components = Checkout": 0}.items():
            assert search.find(project.account_id, tql.parse(query)).count() == count

    @pytest.mark.parametrize("several", [False, True])
    def test_are_removed_from_what_has_chosen_them(
        self, desk: Client, project: Project, several: bool
    ) -> None:
        word = PicklistItemFactory.create(project=project, name="Checkout")
        incident = IncidentFactory.create(project=project)
        pick(incident, word, "Component")
        documents.index(Incident, [incident.pk])
        path = f"{ADMIN}/picklistitem/"
        sent = {"action": "delete_selected", "_selected_action": [str(word.pk)]} if several else {}
        path += "" if several else f"{word.pk}/delete/"

        asked = desk.post(path, sent) if several else desk.get(path)
        answer = desk.post(path, {**sent, "post": "yes"})

        assert "Checkout" in asked.content.decode()
        assert answer.status_code == 302
        assert not PicklistItem.objects.exists()
        assert not incident.picks.exists()
        found = search.find(project.account_id, tql.parse("Components = Checkout"))
        assert not found.exists()

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("page", ["change", "delete"])
    def test_hold_no_transaction_open_for_all_that_has_chosen_them(
        self, desk: Client, project: Project, monkeypatch: pytest.MonkeyPatch, page: str
    ) -> None:
        word = PicklistItemFactory.create(project=project, name="Checkout")
        for _ in range(3):
            pick(IncidentFactory.create(project=project), word, "Component")
        monkeypatch.setattr(removal, "BATCH", 2)
        around: list[int] = []
        index = documents.index

        def look(model: Any, ids: Any) -> None:
            around.append(len(connection.savepoint_ids))
            index(model, ids)

        monkeypatch.setattr(documents, "index", look)

        sent = {**self.sent(project), "post": "yes"}
        answer = desk.post(f"{ADMIN}/picklistitem/{word.pk}/{page}/", sent)

        assert answer.status_code == 302
        assert around == [0, 0]

    def test_that_are_there_or_elsewhere_are_refused(self, desk: Client, project: Project) -> None:
        PicklistItemFactory.create(project=project, name="BASKET")
        foreign = PicklistItemFactory.create()

        for sent in (
            self.sent(project),
            self.sent(foreign.project),
            self.sent(project, name="a\nb\x07"),
        ):
            assert desk.post(f"{ADMIN}/picklistitem/add/", sent).status_code == 200
        assert desk.get(f"{ADMIN}/picklistitem/{foreign.pk}/change/").status_code == 302
        assert PicklistItem.objects.count() == 2


class TestCustomFields:
    @pytest.fixture
    def may(self, member: Actor) -> None:
        member.user.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label="tickets", codename__endswith="customfield"
            )
        )

    def sent(self, account: Any, **values: Any) -> dict[str, Any]:
        given = {
            "account": str(account.pk),
            "entity_type": "Incident",
            "name": "Platform",
            "kind": "Choice",
            "choices": '["Windows", "Linux"]',
            "order_number": "0",
            **values,
        }
        return {name: value for name, value in given.items() if value is not None}

    def test_are_made_changed_and_removed(self, desk: Client, member: Actor, may: None) -> None:
        made = desk.post(f"{ADMIN}/customfield/add/", self.sent(member.account))

        assert made.status_code == 302, made.context["adminform"].form.errors
        row = CustomField.objects.get()
        assert (row.account, row.project, row.choices) == (
            member.account,
            None,
            ["Windows", "Linux"],
        )
        path = f"{ADMIN}/customfield/{row.pk}"
        # Its kind, and whose it is, stay.
        sent = self.sent(member.account, name="System", kind="Choice", entity_type="AgileRun")
        assert desk.post(f"{path}/change/", sent).status_code == 302
        row.refresh_from_db()
        assert (row.name, row.entity_type) == ("System", "Incident")
        assert desk.post(f"{path}/delete/", {"post": "yes"}).status_code == 302
        assert not CustomField.objects.exists()

    @pytest.mark.parametrize(
        "values, text",
        [
            ({"name": "Status"}, "Queries know a field of this name already."),
            ({"name": "taken"}, "There is a field of this name already."),
            ({"name": "Order"}, "Queries mean something else by this word."),
            ({"name": "relationships"}, "Queries mean something else by this word."),
            ({"name": "1st"}, "It begins with a letter"),
            ({"name": "a b"}, "It begins with a letter"),
            ({"choices": ""}, "A choice has some; other kinds have none."),
            ({"kind": "Text"}, "A choice has some; other kinds have none."),
            ({"choices": '{"a": 1}'}, "It must be a JSON array of texts"),
            ({"choices": "[1]"}, "Each is a text of 1 to 255 characters."),
            ({"choices": '["a", "A"]'}, "One is there twice."),
            ({"choices": '["a\\nb"]'}, "It holds a line break"),
        ],
    )
    def test_that_mean_two_things_or_nothing_are_refused(
        self, desk: Client, member: Actor, may: None, values: dict[str, Any], text: str
    ) -> None:
        CustomFieldFactory.create(project__account=member.account, name="Taken")

        answer = desk.post(f"{ADMIN}/customfield/add/", self.sent(member.account, **values))

        assert text in html.unescape(answer.content.decode())
        assert CustomField.objects.count() == 1

    def test_are_of_the_users_own_accounts_and_their_projects(
        self, desk: Client, member: Actor, may: None
    ) -> None:
        foreign = CustomFieldFactory.create()
        own = ProjectFactory.create(account=member.account)

        for sent in (
            self.sent(foreign.account),
            self.sent(member.account, project=str(foreign.project_id)),
            self.sent(member.account, project=str(own.pk), entity_type="ExternalSystem"),
        ):
            assert desk.post(f"{ADMIN}/customfield/add/", sent).status_code == 200
        assert desk.get(f"{ADMIN}/customfield/{foreign.pk}/change/").status_code == 302
        desk.post(f"{ADMIN}/customfield/{foreign.pk}/delete/", {"post": "yes"})
        assert CustomField.objects.get() == foreign


class TestNamesOfProjects:
    @pytest.fixture
    def outgoing(self) -> Project:
        project = ProjectFactory.create(name="Billing")
        removing = factories.run(State.RUNNING, owner=factories.actor("admin", project.account))
        visibility.hide(Project.objects.filter(pk=project.pk), removing.pk)
        return project

    def renamed(self, root: Client, project: Project, name: str) -> str:
        page = f"{ADMIN}/project/{project.pk}/change/"
        shown = root.get(page).context["adminform"].form.initial
        sent = {key: value for key, value in shown.items() if value is not None}
        return root.post(page, {**sent, "name": name}, follow=True).content.decode()

    def test_are_free_when_theirs_is_being_removed(self, root: Client, outgoing: Project) -> None:
        project = ProjectFactory.create(account=outgoing.account)

        assert "was changed successfully" in self.renamed(root, project, "BILLING")

        project.refresh_from_db()
        outgoing.refresh_from_db()
        assert project.name == "BILLING"
        assert outgoing.name == f"Billing (being deleted, {outgoing.pk.hex[:8]})"

    def test_stay_with_what_has_them(self, root: Client) -> None:
        taken = ProjectFactory.create(name="Billing")
        project = ProjectFactory.create(account=taken.account)

        assert "A project of this name exists already." in self.renamed(root, project, "billing")

        taken.refresh_from_db()
        assert taken.name == "Billing"
