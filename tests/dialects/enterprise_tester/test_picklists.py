"""Versions, components and the other words of a project, and what incidents pick of them."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from backgroundtasks.handlers.testing import perform
from backgroundtasks.models import Account
from backgroundtasks.states import State
from indexing import documents, search, tql
from indexing.handlers.reindex import Reindex
from tests.support import factories
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import AgileRunFactory, IncidentFactory, PicklistItemFactory, pick, send
from tickets import incidents, picklists, staging, visibility
from tickets.api.picklists import OF_PROJECT
from tickets.models import (
    AgileRun,
    Incident,
    IncidentPick,
    PickedAs,
    Picklist,
    PicklistItem,
    Project,
)

pytestmark = pytest.mark.django_db

HOST = "http://testserver"
NOBODY = uuid.UUID(int=7)
SEVERAL = ("AffectedVersionIds", "FixedVersionIds", "ComponentIds")


@pytest.fixture
def versions(project: Project) -> list[PicklistItem]:
    return [
        PicklistItemFactory.create(project=project, picklist=Picklist.VERSION, name=name)
        for name in ("1.0", "1.1", "2.0")
    ]


@pytest.fixture
def component(project: Project) -> PicklistItem:
    return PicklistItemFactory.create(project=project, name="Checkout")


def ids(*words: PicklistItem) -> list[str]:
    return [str(word.pk) for word in words]


def made(caller: Caller, project: Project, **members: Any) -> Any:
    sent = {"Summary": "Refund is not rounded", "ProjectId": str(project.pk), **members}
    return body(caller.post("/api/incidents", sent))


def found(caller: Caller, tql: str) -> list[str]:
    return [
        one["Id"] for one in body(caller.get(f"/api/search?{urlencode({'tql': tql})}"))["Items"]
    ]


class TestPicklist:
    def test_a_word_is_added_behind_the_others_and_shown(
        self, caller: Caller, project: Project
    ) -> None:
        path = f"/api/project/{project.pk}/picklist/version"

        first, second = (caller.post(path, {"Text": name}) for name in ("2.0", "1.0"))

        row = PicklistItem.objects.get(name="2.0")
        shown = {
            "Id": str(row.pk),
            "Text": "2.0",
            "SortOrder": 0,
            "IsEnable": True,
            "Name": "2.0",
            "OrderNumber": 0,
            "ProjectId": str(project.pk),
        }
        assert body(first, 201) == shown
        own = f"{HOST}/api/project/{project.pk}/picklist/Version/{row.pk}"
        assert first["Location"] == own
        assert body(caller.get(own.removeprefix(HOST))) == shown
        assert body(second, 201)["SortOrder"] == 1
        page = body(caller.get(f"{path}?$filter=Text eq '2.0'"))
        assert (page["Total"], page["Items"]) == (1, [shown])
        expanded = body(caller.get(f"/api/project/{project.pk}?$expand=Versions,Components"))
        assert [one["Text"] for one in expanded["Versions"]] == ["2.0", "1.0"]
        assert expanded["Components"] == []

    @pytest.mark.parametrize(
        "expansion, picklist", [(name, one.value) for name, one in OF_PROJECT.items()]
    )
    def test_of_a_project_may_be_named_as_its_expansion(
        self, caller: Caller, project: Project, expansion: str, picklist: str
    ) -> None:
        folder = f"/api/project/{project.pk}/picklist"

        added = caller.post(f"{folder}/{expansion}", {"Text": "2.0"})

        word = body(added, 201)
        assert added["Location"] == f"{HOST}{folder}/{picklist}/{word['Id']}"
        assert word in body(caller.get(f"{folder}/{expansion.lower()}"))["Items"]
        assert body(caller.get(f"{folder}/{expansion}/{word['Id']}")) == word
        project_shown = body(caller.get(f"/api/project/{project.pk}?$expand={expansion}"))
        assert word in project_shown[expansion]

    def test_a_word_behind_the_last_place_stands_beside_it(
        self, caller: Caller, project: Project
    ) -> None:
        path = f"/api/project/{project.pk}/picklist/Version"
        last = 2**31 - 1

        body(caller.post(path, {"Text": "1.0", "SortOrder": last}), 201)
        behind = body(caller.post(path, {"Text": "1.1"}), 201)

        assert behind["SortOrder"] == last

    def test_a_name_that_is_there_is_409_in_any_letter_case(
        self, caller: Caller, project: Project, component: PicklistItem
    ) -> None:
        path = f"/api/project/{project.pk}/picklist/Component"
        other = PicklistItemFactory.create(project=project)

        added = caller.post(path, {"Text": "CHECKOUT"})
        renamed = send(caller, "PUT", f"{path}/{other.pk}", {"Text": "checkout"})

        for answer in (added, renamed):
            assert "has '" in message(answer, 409)
        assert PicklistItem.objects.filter(name__iexact="checkout").get() == component

    @pytest.mark.parametrize("sent", [{}, {"Text": ""}, {"Text": "a\nb"}, {"Text": "x" * 256}])
    def test_a_word_that_is_none_is_refused(
        self, caller: Caller, project: Project, sent: Any
    ) -> None:
        assert message(caller.post(f"/api/project/{project.pk}/picklist/Version", sent), 403)
        assert not PicklistItem.objects.exists()

    def test_a_renamed_word_is_found_by_its_new_name_wherever_it_was_chosen(
        self, caller: Caller, project: Project, component: PicklistItem
    ) -> None:
        high = PicklistItemFactory.create(project=project, picklist="Priority", name="High")
        incident = IncidentFactory.create(project=project, priority=high)
        pick(incident, component, "Component")
        run = AgileRunFactory.create(package__project=project, priority=high)
        documents.index(Incident, [incident.pk])
        documents.index(AgileRun, [run.pk])
        path = f"/api/project/{project.pk}/picklist"

        send(caller, "PUT", f"{path}/Component/{component.pk}", {"Text": "Basket"})
        again = send(caller, "PUT", f"{path}/Priority/{high.pk}", {"Text": "Top", "SortOrder": 9})

        assert body(again)["SortOrder"] == 9
        assert found(caller, "Components = Basket") == [str(incident.pk)]
        assert found(caller, "Components = Checkout") == []
        assert set(found(caller, "Priority = Top")) == {str(incident.pk), str(run.pk)}

    def test_a_word_that_is_sent_back_as_it_is_costs_no_indexing(
        self, caller: Caller, project: Project, component: PicklistItem
    ) -> None:
        pick(IncidentFactory.create(project=project), component, "Component")
        path = f"/api/project/{project.pk}/picklist/Component/{component.pk}"
        shown = body(caller.get(path))

        with CaptureQueriesContext(connection) as queries:
            moved = send(caller, "PUT", path, {**shown, "SortOrder": 77})

        assert body(moved) == {**shown, "SortOrder": 77, "OrderNumber": 77}
        assert not [one for one in queries if "indexing_document" in one["sql"]]

    def test_what_chooses_a_word_while_it_is_removed_is_not_found_by_it(
        self, project: Project, component: PicklistItem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        top = PicklistItemFactory.create(project=project, picklist="Priority", name="Top")
        incident = IncidentFactory.create(project=project)
        hold = staging.hold

        def overtaken(rows: QuerySet[Any]) -> None:
            if rows.model is PicklistItem and rows.filter(pk=top.pk).exists():
                incidents.change(incident.pk, None, {"priority_id": top.pk})
            if rows.model is PicklistItem and rows.filter(pk=component.pk).exists():
                incidents.change(incident.pk, None, {}, {PickedAs.COMPONENT: [component.pk]})
            hold(rows)

        monkeypatch.setattr(staging, "hold", overtaken)

        for word, query in ((top, "Priority = Top"), (component, "Components = Checkout")):
            picklists.remove(word)
            assert not search.find(project.account_id, tql.parse(query)).exists()

        assert Incident.objects.get().version_number == 2

    def test_a_removed_word_is_chosen_by_nobody_any_more(
        self, caller: Caller, project: Project, component: PicklistItem
    ) -> None:
        incident = made(caller, project, ComponentIds=ids(component))

        answer = caller.call(
            "DELETE", f"/api/project/{project.pk}/picklist/Component/{component.pk}"
        )

        assert answer.status_code == 200
        assert body(caller.get(f"/api/incident/{incident['Id']}"))["ComponentIds"] is None
        assert found(caller, "Components = Checkout") == []
        assert found(caller, "EntityType = Incident") == [incident["Id"]]

    def test_of_a_project_that_is_not_there_or_hidden_or_anothers_is_404(
        self, caller: Caller, project: Project, component: PicklistItem
    ) -> None:
        foreign = PicklistItemFactory.create()
        wrong = PicklistItemFactory.create(project=project, picklist=Picklist.VERSION)
        paths = [
            f"/api/project/{NOBODY}/picklist/Version",
            f"/api/project/{foreign.project_id}/picklist/Component",
            f"/api/project/{project.pk}/picklist/Colour",
            f"/api/project/{project.pk}/picklist/Component/{foreign.pk}",
            f"/api/project/{project.pk}/picklist/Component/{wrong.pk}",
        ]
        for path in paths:
            assert message(caller.get(path), 404)
        for path in paths[3:]:
            assert message(caller.call("DELETE", path), 404)

        run = factories.run(State.RUNNING, owner=caller.actor)
        visibility.hide(Project.objects.filter(pk=project.pk), run.pk)
        path = f"/api/project/{project.pk}/picklist/Component"
        assert message(caller.post(path, {"Text": "x"}), 404)
        assert message(send(caller, "PUT", f"{path}/{component.pk}", {"Text": "x"}), 404)

    def test_a_viewer_may_only_look(self, account: Account, component: PicklistItem) -> None:
        viewer = Caller(factories.actor(role="viewer", account=account))
        path = f"/api/project/{component.project_id}/picklist/Component"

        assert body(viewer.get(path))["Total"] == 1
        for answer in (
            viewer.post(path, {"Text": "x"}),
            send(viewer, "PUT", f"{path}/{component.pk}", {"Text": "x"}),
            viewer.call("DELETE", f"{path}/{component.pk}"),
        ):
            assert "needs the role member" in message(answer, 403)


class TestPicksOfAnIncident:
    def test_are_written_read_and_expanded_in_the_order_of_the_picklist(
        self,
        caller: Caller,
        project: Project,
        versions: list[PicklistItem],
        component: PicklistItem,
    ) -> None:
        one, two, three = versions
        incident = made(
            caller,
            project,
            AffectedVersionIds=ids(two, one, two),
            FixedVersionIds=ids(three),
            ComponentIds=ids(component),
        )

        assert incident["AffectedVersionIds"] == ids(one, two)
        assert incident["FixedVersionIds"] == ids(three)
        assert incident["ComponentIds"] == ids(component)
        shown = body(
            caller.get(
                f"/api/incident/{incident['Id']}?$expand=Components,FixedVersions,AffectedVersions"
            )
        )
        assert shown["AffectedVersions"]["Text"] == "1.0, 1.1"
        assert [each["Id"] for each in shown["AffectedVersions"]["Items"]] == ids(one, two)
        assert shown["FixedVersions"]["Items"][0]["Text"] == "2.0"
        assert shown["Components"]["Items"][0]["Text"] == "Checkout"
        assert {"Components", "FixedVersions", "AffectedVersions"}.isdisjoint(shown["Expands"])

    def test_are_changed_by_put_and_patch_what_is_left_out_stays(
        self, caller: Caller, project: Project, versions: list[PicklistItem]
    ) -> None:
        one, two, three = versions
        incident = made(caller, project, AffectedVersionIds=ids(one), FixedVersionIds=ids(two))
        path = f"/api/incident/{incident['Id']}"

        put = body(send(caller, "PUT", path, {"AffectedVersionIds": ids(one, three)}))
        patched = send(caller, "PATCH", path, {"fixedversionids": None})
        last = body(caller.get(path))
        send(caller, "PUT", path, {"AffectedVersionIds": ids(three, one)})

        assert put["AffectedVersionIds"] == ids(one, three)
        assert put["FixedVersionIds"] == ids(two)
        assert put["VersionNumber"] == 1
        assert patched.status_code == 204
        assert (last["FixedVersionIds"], last["VersionNumber"]) == (None, 2)
        # The same again, in another order, is no new version.
        assert Incident.objects.get().version_number == 2

    @pytest.mark.parametrize("member", SEVERAL)
    def test_of_another_project_or_picklist_are_refused_and_change_nothing(
        self,
        caller: Caller,
        project: Project,
        versions: list[PicklistItem],
        component: PicklistItem,
        member: str,
    ) -> None:
        own = component if member == "ComponentIds" else versions[0]
        other = versions[0] if member == "ComponentIds" else component
        foreign = PicklistItemFactory.create(picklist=own.picklist)
        incident = made(caller, project, **{member: ids(own)})
        path = f"/api/incident/{incident['Id']}"

        for word in (other, foreign):
            sent = {member: ids(own, word), "Summary": "Other"}
            text = f"{member}: The project's picklist {own.picklist} has no {word.pk}."
            assert message(send(caller, "PUT", path, sent), 403) == text
            assert message(send(caller, "PATCH", path, sent), 403) == text
            created = caller.post("/api/incidents", {**sent, "ProjectId": str(project.pk)})
            assert message(created, 403) == text

        assert body(caller.get(path)) == incident
        assert Incident.objects.count() == IncidentPick.objects.count() == 1

    def test_of_a_wrong_type_are_400(self, caller: Caller, project: Project) -> None:
        for sent in ("x", [1], {"a": 1}):
            given = {"Summary": "x", "ProjectId": str(project.pk), "ComponentIds": sent}
            assert message(caller.post("/api/incidents", given), 400)
        assert not Incident.objects.exists()

    def test_zeros_as_typed_clients_send_them_are_none(
        self, caller: Caller, project: Project
    ) -> None:
        assert made(caller, project, ComponentIds=[str(uuid.UUID(int=0))])["ComponentIds"] is None

    def test_are_found_one_by_one(
        self, caller: Caller, project: Project, versions: list[PicklistItem]
    ) -> None:
        both = made(caller, project, AffectedVersionIds=ids(*versions[:2]))["Id"]
        last = made(caller, project, AffectedVersionIds=ids(versions[2]))["Id"]
        none = made(caller, project)["Id"]

        def incidents(tql: str) -> set[str]:
            return set(found(caller, f"EntityType = Incident AND {tql}"))

        def asked() -> list[set[str]]:
            return [
                incidents("AffectedVersions = 1.1"),
                incidents("AffectedVersions = '1.0\x1f1.1'"),
                incidents("AffectedVersions IN (1.0, 2.0)"),
                incidents("AffectedVersions != 1.0"),
                incidents("AffectedVersions ~ '1.'"),
            ]

        expected = [{both}, set(), {both, last}, {last, none}, {both}]
        assert asked() == expected
        ordered = found(caller, "EntityType = Incident ORDER BY AffectedVersions DESC")
        assert ordered == [last, both, none]
        perform(Reindex, {}, account_id=project.account_id)
        assert asked() == expected

    def test_are_asked_for_by_a_hundred_values_at_most(self, caller: Caller) -> None:
        many = ", ".join(map(str, range(101)))
        path = f"/api/search?{urlencode({'tql': f'Components IN ({many})'})}"

        assert "a list has more than 100 values of Components." in message(caller.get(path), 403)
        few = many.rpartition(",")[0]
        every = " OR ".join([f"Components IN ({few})"] * 9)
        assert found(caller, every) == []
