"""Incidents, and the steps and nodes that they were found by (sections 3.3 to 3.6)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.handlers.testing import perform
from backgroundtasks.models import Account
from indexing import documents
from indexing.handlers.reindex import Reindex
from tests.support import factories
from tests.support.answers import body, message
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunStepFactory,
    ExternalTicketFactory,
    IncidentFactory,
    NodeFactory,
    PicklistItemFactory,
    ProjectFactory,
    StepResultFactory,
    pick,
    send,
)
from tickets.models import (
    AutomatedTestRun,
    Incident,
    IncidentComment,
    Picklist,
    PicklistItem,
    Project,
)

pytestmark = pytest.mark.django_db

HOST = "http://testserver"
NOBODY = uuid.UUID(int=7)


def made(caller: Caller, project: Project, **members: Any) -> Any:
    sent = {"Summary": "Refund is not rounded", "ProjectId": str(project.pk), **members}
    return body(caller.post("/api/incidents", sent))


class TestCreate:
    def test_answers_as_the_contract_says(self, caller: Caller, project: Project) -> None:
        found = made(caller, project)

        row = Incident.objects.get()
        user = caller.actor.user
        moment = found["CreatedAt"]
        assert found == {
            "Id": str(row.pk),
            "Summary": "Refund is not rounded",
            "AssignedToId": None,
            "AssignedTo": None,
            "Description": None,
            "PriorityId": str(row.priority_id),
            "StatusId": str(row.status_id),
            "TypeId": str(row.type_id),
            "ResolutionId": None,
            "AffectedVersionIds": None,
            "FixedVersionIds": None,
            "ComponentIds": None,
            "ExternalSystemLinkIds": None,
            "CreatedAt": moment,
            "LastUpdatedAt": moment,
            "CreatedById": str(user.pk),
            "CreatedBy": user.username,
            "LastUpdatedById": str(user.pk),
            "LastUpdatedBy": user.username,
            "ProjectId": str(project.pk),
            "ProjectName": project.name,
            "IncidentNumber": 1,
            "InternalId": None,
            "VersionNumber": 0,
            "HasAttachments": False,
            "Expands": [
                "Widgets",
                "FieldValues",
                "Project",
                "LastComment",
                "Status",
                "Priority",
                "Type",
                "Resolution",
                "Components",
                "FixedVersions",
                "AffectedVersions",
                "ExternalSystemLinks",
                "ExternalKeys",
                "ExternalTickets",
                "Comments",
                "Attachments",
            ],
            "Self": f"{HOST}/api/incident/{row.pk}",
            "Links": [
                {"Href": f"{HOST}/api/incident/{row.pk}/{rel.lower()}", "Rel": rel}
                for rel in ("Relationships", "AllRelationships", "Comments", "Attachments")
            ],
        }

    def test_numbers_count_in_each_project(self, caller: Caller, project: Project) -> None:
        other = ProjectFactory.create(account=project.account)

        assert [made(caller, where)["IncidentNumber"] for where in (project, project, other)] == [
            1,
            2,
            1,
        ]

    @pytest.mark.parametrize(
        "sent, text",
        [
            ({"Summary": "x"}, "ProjectId: This field is required."),
            ({"ProjectId": str(NOBODY), "Summary": "x"}, f"The project {NOBODY} does not exist."),
            ({"Summary": "", "ProjectId": str(NOBODY)}, "Summary: This field may not be blank."),
        ],
    )
    def test_refuses_what_is_not_valid(self, caller: Caller, sent: Any, text: str) -> None:
        assert message(caller.post("/api/incidents", sent), 403) == text
        assert not Incident.objects.exists()

    def test_takes_words_of_the_projects_own_picklists_only(
        self, caller: Caller, project: Project
    ) -> None:
        shown = body(caller.post("/api/projects?$expand=IncidentStatuses", {"Name": "New"}), 201)
        closed = next(one for one in shown["IncidentStatuses"] if one["Name"] == "Closed")

        refused = caller.post(
            "/api/incidents",
            {"Summary": "x", "ProjectId": str(project.pk), "StatusId": closed["Id"]},
        )
        taken = made(caller, Project.objects.get(pk=shown["Id"]), StatusId=closed["Id"])

        assert "picklist IncidentStatus has no" in message(refused, 403)
        assert taken["StatusId"] == closed["Id"]


class TestChange:
    def test_a_put_changes_what_it_names_and_adds_comments(
        self, caller: Caller, project: Project
    ) -> None:
        path = f"/api/incident/{made(caller, project)['Id']}"
        sent = {
            "Description": "By a cent",
            "AssignedToId": str(caller.actor.user.pk),
            "Comments": [{"Comment": "Seen again"}, {"Comment": "And again"}],
        }

        found = body(send(caller, "PUT", f"{path}?$expand=Comments,LastComment", sent))

        assert (found["Description"], found["VersionNumber"]) == ("By a cent", 1)
        assert found["AssignedTo"] == caller.actor.user.username
        assert [one["Comment"] for one in found["Comments"]] == ["Seen again", "And again"]
        assert found["LastComment"]["CreatedBy"] == caller.actor.user.username
        # Sent back as they were read, they are not added again.
        body(send(caller, "PUT", path, {"Comments": found["Comments"]}))
        assert body(caller.get(f"{path}/comments"))["Total"] == 2

    def test_a_patch_answers_204_and_takes_any_letter_case(
        self, caller: Caller, project: Project
    ) -> None:
        incident = made(caller, project)

        answer = send(
            caller, "PATCH", f"/api/incident/{incident['Id']}", {"summary": "Other", "unheard": 1}
        )

        assert (answer.status_code, answer.content) == (204, b"")
        assert Incident.objects.get().summary == "Other"
        assert Incident.objects.get().version_number == 1

    def test_the_same_again_is_no_new_version(self, caller: Caller, project: Project) -> None:
        incident = made(caller, project)

        send(caller, "PUT", f"/api/incident/{incident['Id']}", {"Summary": incident["Summary"]})

        assert Incident.objects.get().version_number == 0

    def test_it_stays_in_its_project(self, caller: Caller, project: Project) -> None:
        incident = made(caller, project)

        answer = send(
            caller, "PATCH", f"/api/incident/{incident['Id']}", {"projectId": str(NOBODY)}
        )

        assert message(answer, 403) == "An incident stays in its project."


def test_a_removed_incident_is_gone_with_its_comments_and_links(
    caller: Caller, project: Project
) -> None:
    incident = made(caller, project, Comments=[{"Comment": "Hm"}])
    step = StepResultFactory.create(run__assignment__script__project=project)
    links = f"/api/stepresult/{step.pk}/incidents"
    caller.post(links, {"IncidentId": incident["Id"]})

    assert caller.call("DELETE", f"/api/incident/{incident['Id']}").status_code == 200

    assert caller.get(f"/api/incident/{incident['Id']}").status_code == 404
    assert body(caller.get(links))["Items"] == []
    assert not IncidentComment.objects.exists()
    assert body(caller.get("/api/search?tql=EntityType%20%3D%20Incident"))["Total"] == 0


def test_a_list_shows_what_trackers_have_in_a_constant_number_of_queries(
    caller: Caller, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    path = (
        "/api/incidents?$expand=Project,Status,Priority,Comments,"
        "Components,FixedVersions,AffectedVersions,ExternalSystemLinks,ExternalKeys,ExternalTickets"
    )
    url = "/admin/tickets/builtinticket/1/change/"
    ticket = ExternalTicketFactory.create(link__project=project, url=url)
    word = PicklistItemFactory.create(project=project)
    pick(ticket.incident, word, "Component")
    caller.get(path)
    with django_assert_num_queries(7) as few:
        caller.get(path)
    for other in ExternalTicketFactory.create_batch(3, link__project=project):
        pick(other.incident, word, "Component")
        pick(other.incident, PicklistItemFactory.create(project=project), "Component")

    with django_assert_num_queries(len(few.captured_queries)):
        found = body(caller.get(path))

    assert found["Total"] == 4
    shown = next(one for one in found["Items"] if one["Id"] == str(ticket.incident_id))
    assert shown["ExternalSystemLinkIds"] == [str(ticket.link_id)]
    assert shown["ExternalKeys"] == ticket.key
    assert shown["Components"]["Text"] == word.name
    assert shown["ExternalSystemLinks"][0]["Name"] == ticket.link.name
    assert shown["ExternalTickets"][0]["Key"] == ticket.key
    assert shown["ExternalTickets"][0]["Url"] == f"{HOST}/admin/tickets/builtinticket/1/change/"


def test_are_found_by_words_status_and_what_they_were_found_by(
    caller: Caller, project: Project
) -> None:
    incident = made(caller, project, Description="Half a cent is lost")
    made(caller, project, Summary="Something else")
    node = NodeFactory.create(run__assignment__automated_test__project=project)
    documents.index(AutomatedTestRun, [node.run_id])
    caller.post(
        f"/api/automatedtestrun/{node.run_id}/node/{node.pk}/incidents",
        {"IncidentId": incident["Id"]},
    )

    def found(tql: str) -> list[str]:
        items = body(caller.get(f"/api/incidents?tql={tql}"))["Items"]
        return [item["Id"] for item in items]

    assert found("Text ~ 'cent'") == [incident["Id"]]
    assert len(found("Status = Open")) == 2
    assert found("Relationships IN { RelatedToEntityType = AutomatedTestRun }") == [incident["Id"]]


def _step_result(project: Project) -> tuple[str, dict[str, str]]:
    step = StepResultFactory.create(run__assignment__script__project=project)
    return f"/api/stepresult/{step.pk}", {"StepResultId": str(step.pk)}


def _agile_step(project: Project) -> tuple[str, dict[str, str]]:
    step = AgileRunStepFactory.create(run__package__project=project)
    path = f"/api/agilerun/{step.run_id}/step/{step.pk}"
    return path, {"RunId": str(step.run_id), "StepId": str(step.pk)}


def _node(project: Project) -> tuple[str, dict[str, str]]:
    node = NodeFactory.create(run__assignment__automated_test__project=project)
    path = f"/api/automatedtestrun/{node.run_id}/node/{node.pk}"
    return path, {"RunId": str(node.run_id), "NodeId": str(node.pk)}


@pytest.mark.parametrize("place", [_step_result, _agile_step, _node])
class TestFoundBy:
    def test_a_link_is_made_once_and_shown(
        self, caller: Caller, project: Project, place: Callable[..., Any]
    ) -> None:
        path, ids = place(project)
        incident = IncidentFactory.create(project=project)
        sent = {"IncidentId": str(incident.pk)}

        first = caller.post(f"{path}/incidents", sent)
        again = caller.post(f"{path}/incidents", sent)

        row = body(first, 201)
        assert body(again, 200) == row
        own = f"{HOST}{path}/incident/{incident.pk}"
        assert {name: row[name] for name in ids} == ids
        assert row["IncidentId"] == str(incident.pk)
        assert row["Self"] == first["Location"] == own
        assert row["Links"] == [{"Href": f"{HOST}/api/incident/{incident.pk}", "Rel": "Incident"}]
        assert body(caller.get(own.removeprefix(HOST))) == row
        page = body(caller.get(f"{path}/incidents?$expand={','.join(row['Expands'])}"))
        assert (page["Total"], page["Items"][0]["Incident"]["Id"]) == (1, str(incident.pk))
        assert page["Items"][0]["Expands"] == []

    def test_a_link_is_removed_and_the_incident_stays(
        self, caller: Caller, project: Project, place: Callable[..., Any]
    ) -> None:
        path, _ = place(project)
        incident = IncidentFactory.create(project=project)
        caller.post(f"{path}/incidents", {"IncidentId": str(incident.pk)})
        one = f"{path}/incident/{incident.pk}"

        assert caller.call("DELETE", one).status_code == 200

        assert message(caller.call("DELETE", one), 404).startswith("The incident")
        assert caller.get(one).status_code == 404
        assert caller.get(f"/api/incident/{incident.pk}").status_code == 200

    def test_an_incident_of_another_project_is_refused(
        self, caller: Caller, project: Project, place: Callable[..., Any]
    ) -> None:
        path, _ = place(project)
        other = IncidentFactory.create(project=ProjectFactory.create(account=project.account))
        status = 400 if place is _node else 403

        for sent in ({"IncidentId": str(other.pk)}, {"IncidentId": str(NOBODY)}, {}):
            assert message(caller.post(f"{path}/incidents", sent), status)
        assert body(caller.get(f"{path}/incidents"))["Total"] == 0

    def test_a_viewer_may_only_look(
        self, account: Account, project: Project, place: Callable[..., Any]
    ) -> None:
        viewer = Caller(factories.actor(role="viewer", account=account))
        path, _ = place(project)
        incident = IncidentFactory.create(project=project)

        answer = viewer.post(f"{path}/incidents", {"IncidentId": str(incident.pk)})

        assert "needs the role member" in message(answer, 403)
        assert viewer.get(f"{path}/incidents").status_code == 200


def test_a_node_says_that_it_has_incidents(caller: Caller, project: Project) -> None:
    path, _ = _node(project)
    incident = IncidentFactory.create(project=project)
    assert body(caller.get(path))["HasIncidents"] is False

    caller.post(f"{path}/incidents", {"IncidentId": str(incident.pk)})

    assert body(caller.get(path))["HasIncidents"] is True
    listed = caller.get(f"{path.partition('/node/')[0]}/nodes")
    [root] = json.loads(b"".join(listed.streaming_content))
    assert root["HasIncidents"] is True


def test_a_new_project_has_its_picklists(caller: Caller) -> None:
    expands = "Statuses,Priorities,TestTypes,IncidentTypes,IncidentStatuses,IncidentResolutions"

    found = body(caller.post(f"/api/projects?$expand={expands}", {"Name": "New"}), 201)

    assert [one["Name"] for one in found["IncidentStatuses"]] == [
        "Open",
        "In Progress",
        "Resolved",
        "Closed",
    ]
    assert all(found[name] for name in expands.split(","))
    assert PicklistItem.objects.filter(picklist=Picklist.PRIORITY).count() == len(
        found["Priorities"]
    )


def test_a_reindex_finds_incidents_with_their_keys_and_relationships_again(
    caller: Caller, project: Project
) -> None:
    ticket = ExternalTicketFactory.create(link__project=project)
    step = StepResultFactory.create(run__assignment__script__project=project)
    sent = {"IncidentId": str(ticket.incident_id)}
    caller.post(f"/api/stepresult/{step.pk}/incidents", sent)

    perform(Reindex, {}, account_id=project.account_id)

    for tql in (
        f"Key = '{ticket.key}'",
        f"Text ~ '{ticket.key}'",
        "EntityType = Incident AND Relationships IN { RelatedToEntityType = ScriptRun }",
    ):
        found = body(caller.get(f"/api/search?{urlencode({'tql': tql})}"))
        assert [one["Id"] for one in found["Items"]] == [str(ticket.incident_id)], tql


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_no_database_stores_is_refused(
    caller: Caller, project: Project, text: str
) -> None:
    sent = {"Summary": text, "ProjectId": str(project.pk), "Comments": [{"Comment": text}]}

    answer = caller.post("/api/incidents", sent)

    assert answer.status_code in {400, 403}, answer.content
    assert not Incident.objects.exists()
