"""Automated test runs and result nodes (section 3.5)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.support import factories
from tests.support.http import Caller
from tests.support.importing import imported
from tests.support.projects import AssignmentFactory, NodeFactory, RunFactory, send
from tests.support.reports import report
from tests.support.uploads import file_store
from tickets.models import AutomatedTestAssignment, AutomatedTestRun, ResultNode

__all__ = ["file_store"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("file_store")]

HOST = "http://testserver"
ZERO = "00000000-0000-0000-0000-000000000000"
SHOP = b"""<testsuites>
  <testsuite name="shop" timestamp="2024-03-05T08:15:42" time="2">
    <properties><property name="browser" value="firefox"/></properties>
    <testcase name="adds_to_cart" classname="shop.Cart" time="0.5"/>
    <testcase name="refund_is_rounded" classname="shop.Refund" time="1.25">
      <failure message="expected 3" type="AssertionError">at line 12</failure>
    </testcase>
    <testcase name="pays"><flakyError message="late"/></testcase>
    <testsuite name="nested"><testcase name="skips"><skipped/></testcase></testsuite>
  </testsuite>
  <testsuite name="empty"/>
</testsuites>"""


@pytest.fixture
def assignment(caller: Caller) -> AutomatedTestAssignment:
    found: AutomatedTestAssignment = AssignmentFactory.create(
        automated_test__project__account=caller.actor.account
    )
    return found


@pytest.fixture
def shop(assignment: AutomatedTestAssignment) -> AutomatedTestRun:
    return imported(assignment, SHOP)


def read(caller: Caller, path: str, status: int = 200) -> Any:
    answer = caller.get(path)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert answer.status_code == status, content
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    return json.loads(content)


def names(nodes: list[dict[str, Any]]) -> list[str]:
    return [node["Name"] for node in nodes]


class TestRun:
    @pytest.mark.spec("enterprise_tester", "Automated test run", "GET")
    def test_is_shown_as_the_table_says(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        user = caller.actor.user
        user.first_name, user.last_name = "Kim", "Lund"
        user.save()
        run = RunFactory.create(
            assignment=assignment,
            status="Failed",
            run_by=user,
            imported_at=datetime(2024, 3, 5, 9, 0, 0, 700_000, tzinfo=UTC),
            started_at=datetime(2024, 3, 5, 8, 0, tzinfo=UTC),
        )

        assert read(caller, f"/api/automatedtestrun/{run.pk}") == {
            "RunByDisplayName": "Kim Lund",
            "RunBy": user.username,
            "RunById": str(user.pk),
            "AssignmentId": str(assignment.pk),
            "Id": str(run.pk),
            "Status": "Failed",
            "ImportedAt": "2024-03-05T09:00:00Z",
            "StartedAt": "2024-03-05T08:00:00Z",
            "FinishedAt": None,
            "Expands": ["Totals", "Assignment"],
            "Self": f"{HOST}/api/automatedtestrun/{run.pk}",
            "Links": [
                {"Href": f"{HOST}/api/automatedtestrun/{run.pk}/nodes", "Rel": "Nodes"},
                {"Href": f"{HOST}/api/automatedtestrun/{run.pk}/attachments", "Rel": "Attachments"},
            ],
        }

    @pytest.mark.spec("enterprise_tester", "Automated test run", "Totals")
    def test_expands_totals_and_assignment(
        self, caller: Caller, assignment: AutomatedTestAssignment, shop: AutomatedTestRun
    ) -> None:
        found = read(caller, f"/api/automatedtestrun/{shop.pk}?$expand=Totals,Assignment")

        assert found["Totals"] == {
            "Errors": 0,
            "Failed": 1,
            "Passed": 2,
            "Skipped": 1,
            "Warnings": 1,
            "TotalNodes": 7,
            "TotalResults": 4,
            "Iterations": 0,
            "NotRun": 0,
            "Done": 0,
            "Infos": 0,
        }
        assert found["Assignment"]["Id"] == str(assignment.pk)
        assert found["Assignment"]["Status"] == "Failed"
        assert found["Expands"] == []

    def test_that_is_only_staged_is_unknown(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        node = NodeFactory.create(run__assignment=assignment, run__stage="staged")
        run = f"/api/automatedtestrun/{node.run_id}"

        for path in (run, f"{run}/nodes", f"{run}/node/{node.pk}", f"{run}/node/{ZERO}/children"):
            assert read(caller, path, 404)["Message"].endswith("does not exist.")
        assert read(caller, "/api/automatedtestruns")["Total"] == 0

    @pytest.mark.spec("enterprise_tester", "Automated test run", "DELETE")
    def test_is_deleted_with_its_nodes_and_is_found_no_more(
        self, caller: Caller, shop: AutomatedTestRun
    ) -> None:
        answer = caller.call("DELETE", f"/api/automatedtestrun/{shop.pk}")

        assert (answer.status_code, answer.content) == (200, b"")
        assert read(caller, f"/api/automatedtestrun/{shop.pk}", 404)
        assert not ResultNode.objects.exists()
        assert read(caller, "/api/search?tql=Name%20~%20refund")["Total"] == 0
        assert read(caller, "/api/search?tql=EntityType%20=%20AutomatedTestRun")["Total"] == 0
        [assignment] = read(caller, "/api/automatedtestassignments")["Items"]
        assert assignment["Status"] == "Not Run"

    def test_is_not_deleted_by_a_viewer_or_a_stranger(
        self, caller: Caller, shop: AutomatedTestRun
    ) -> None:
        path = f"/api/automatedtestrun/{shop.pk}"
        viewer = Caller(factories.actor("viewer", caller.actor.account))

        assert viewer.call("DELETE", path).status_code == 403
        assert Caller().call("DELETE", path).status_code == 404
        assert AutomatedTestRun.objects.shown().get() == shop

    @pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
    def test_takes_no_other_method(
        self, caller: Caller, shop: AutomatedTestRun, method: str
    ) -> None:
        assert caller.call(method, f"/api/automatedtestrun/{shop.pk}").status_code == 405


class TestRuns:
    def test_of_an_assignment_come_last_first(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        first, second = RunFactory.create_batch(2, assignment=assignment)
        RunFactory.create(assignment__automated_test__project__account=caller.actor.account)

        found = read(caller, f"/api/automatedtestassignment/{assignment.pk}/runs")

        assert [item["Id"] for item in found["Items"]] == [str(second.pk), str(first.pk)]
        assert found["Total"] == 2

    @pytest.mark.spec("enterprise_tester", "Automated test assignment runs", "$filter")
    def test_are_filtered_by_status(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        RunFactory.create(assignment=assignment)
        failed = RunFactory.create(assignment=assignment, status="Failed")

        found = read(
            caller,
            f"/api/automatedtestassignment/{assignment.pk}/runs?$filter=Status eq 'Failed'",
        )

        assert [item["Id"] for item in found["Items"]] == [str(failed.pk)]

    def test_are_found_by_tql(self, caller: Caller, shop: AutomatedTestRun) -> None:
        found = read(caller, "/api/automatedtestruns?tql=Status%20=%20Failed&$expand=Totals")

        assert [item["Id"] for item in found["Items"]] == [str(shop.pk)]
        assert found["Items"][0]["Totals"]["Failed"] == 1

    def test_cost_the_same_number_of_queries_however_many(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        RunFactory.create_batch(20, assignment=assignment, run_by=caller.actor.user)
        caller.get("/api/projects")

        with django_assert_max_num_queries(4):
            found = read(caller, "/api/automatedtestruns?$expand=Totals,Assignment")

        assert found["Total"] == 20


class TestNodes:
    @pytest.mark.spec("enterprise_tester", "Root nodes", "GET")
    def test_at_the_root_are_a_plain_array(self, caller: Caller, shop: AutomatedTestRun) -> None:
        found = read(caller, f"/api/automatedtestrun/{shop.pk}/nodes")

        assert isinstance(found, list)
        assert names(found) == ["shop", "empty"]
        assert [node["HasChildren"] for node in found] == [True, False]
        assert [node["Status"] for node in found] == ["Failed", "NotRun"]

    @pytest.mark.spec("enterprise_tester", "Result node children", "zero GUID")
    def test_below_the_id_of_zeros_are_those_at_the_root(
        self, caller: Caller, shop: AutomatedTestRun
    ) -> None:
        run = f"/api/automatedtestrun/{shop.pk}"

        assert read(caller, f"{run}/node/{ZERO}/children") == read(caller, f"{run}/nodes")

    @pytest.mark.spec("enterprise_tester", "Result node children", "GET")
    def test_below_a_node_are_its_children_in_order(
        self, caller: Caller, shop: AutomatedTestRun
    ) -> None:
        suite = ResultNode.objects.get(name="shop")

        found = read(caller, f"/api/automatedtestrun/{shop.pk}/node/{suite.pk}/children")

        assert names(found) == ["adds_to_cart", "refund_is_rounded", "pays", "nested"]

    @pytest.mark.spec("enterprise_tester", "Result node children", "status")
    @pytest.mark.parametrize(
        "status, expected",
        [
            ("Failed", ["refund_is_rounded"]),
            ("failed", ["refund_is_rounded"]),
            ("Passed", ["adds_to_cart", "pays"]),
            ("Warning", ["pays"]),
            ("Failed,Skipped", ["refund_is_rounded", "nested"]),
            ("Error", []),
            ("", ["adds_to_cart", "refund_is_rounded", "pays", "nested"]),
        ],
    )
    def test_are_filtered_by_status(
        self, caller: Caller, shop: AutomatedTestRun, status: str, expected: list[str]
    ) -> None:
        suite = ResultNode.objects.get(name="shop")
        path = f"/api/automatedtestrun/{shop.pk}/node/{suite.pk}/children"

        assert names(read(caller, f"{path}?status={status}")) == expected

    @pytest.mark.spec("enterprise_tester", "Result node children", "400")
    def test_answer_400_to_a_status_that_is_none(
        self, caller: Caller, shop: AutomatedTestRun
    ) -> None:
        path = f"/api/automatedtestrun/{shop.pk}/node/{ZERO}/children?status=Green"

        assert read(caller, path, 400) == {
            "Message": "There is no status 'Green'; there are NotRun, Skipped, Passed, Failed, "
            "Error, Warning."
        }

    def test_of_a_large_run_come_whole(
        self, caller: Caller, assignment: AutomatedTestAssignment
    ) -> None:
        run = imported(assignment, b"".join(report(1_000, cases_per_suite=300)))

        found = read(caller, f"/api/automatedtestrun/{run.pk}/nodes?$expand=Children")

        assert [len(suite["Children"]) for suite in found] == [300, 300, 300, 100]
        assert found[3]["Children"][-1]["Name"] == "case_999"

    @pytest.mark.spec("enterprise_tester", "General", "indent-json")
    @pytest.mark.parametrize("expand", ["", "$expand=Children"])
    def test_are_indented_on_request(
        self, caller: Caller, shop: AutomatedTestRun, expand: str
    ) -> None:
        path = f"/api/automatedtestrun/{shop.pk}/nodes?{expand}"
        compact = b"".join(caller.get(path).streaming_content)

        by_header = b"".join(caller.get(path, indent_json="true").streaming_content)
        by_parameter = b"".join(caller.get(f"{path}&indent-json=true").streaming_content)

        assert by_header == by_parameter
        assert json.loads(by_header) == json.loads(compact)
        assert b'\n  "Name": "shop"' in by_header
        assert b"\n" not in compact

    def test_expand_children_of_every_node_in_one_query(
        self,
        caller: Caller,
        assignment: AutomatedTestAssignment,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        run = imported(assignment, b"".join(report(300, cases_per_suite=2)))
        caller.get("/api/projects")

        with django_assert_max_num_queries(4):
            found = read(caller, f"/api/automatedtestrun/{run.pk}/nodes?$expand=Children")

        assert len(found) == 150
        assert {len(suite["Children"]) for suite in found} == {2}


class TestNode:
    @pytest.mark.spec("enterprise_tester", "Result node", "GET")
    def test_is_an_object_as_the_table_says(self, caller: Caller, shop: AutomatedTestRun) -> None:
        node = ResultNode.objects.get(name="refund_is_rounded")
        own = f"{HOST}/api/automatedtestrun/{shop.pk}/node/{node.pk}"

        assert read(caller, f"/api/automatedtestrun/{shop.pk}/node/{node.pk}") == {
            "HasAttachments": False,
            "HasIncidents": False,
            "HasChildren": False,
            "Id": str(node.pk),
            "Name": "refund_is_rounded",
            "Description": "expected 3\nat line 12",
            "Notes": None,
            "Status": "Failed",
            "Iteration": 1,
            "StartedAt": None,
            "FinishedAt": None,
            "DurationInSeconds": 1.25,
            "Expands": ["Metadata", "Parameters", "Children"],
            "Self": own,
            "Links": [{"Href": f"{own}/children", "Rel": "Children"}],
        }

    @pytest.mark.spec("enterprise_tester", "Result node", "$expand")
    def test_expands_metadata_parameters_and_children(
        self, caller: Caller, shop: AutomatedTestRun
    ) -> None:
        suite = ResultNode.objects.get(name="shop")
        case = ResultNode.objects.get(name="refund_is_rounded")
        expand = "$expand=Metadata,Parameters,Children"

        found = read(caller, f"/api/automatedtestrun/{shop.pk}/node/{suite.pk}?{expand}")
        found_case = read(caller, f"/api/automatedtestrun/{shop.pk}/node/{case.pk}?{expand}")

        assert found["Parameters"] == {"browser": "firefox"}
        assert found["StartedAt"] == "2024-03-05T08:15:42Z"
        assert found["FinishedAt"] == "2024-03-05T08:15:44Z"
        assert names(found["Children"]) == ["adds_to_cart", "refund_is_rounded", "pays", "nested"]
        assert found["Expands"] == []
        assert found["Children"][1]["Metadata"] == found_case["Metadata"]
        assert found_case["Metadata"] == {
            "classname": "shop.Refund",
            "type": "AssertionError",
            "message": "expected 3",
        }
        assert found_case["Children"] == []

    @pytest.mark.spec("enterprise_tester", "Result node", "PATCH")
    @pytest.mark.parametrize("name", ["Notes", "notes"])
    def test_takes_notes(self, caller: Caller, shop: AutomatedTestRun, name: str) -> None:
        node = ResultNode.objects.get(name="refund_is_rounded")
        path = f"/api/automatedtestrun/{shop.pk}/node/{node.pk}"

        answer = send(caller, "PATCH", path, {name: "Known since May", "Status": "Passed"})

        assert answer.status_code == 200
        assert answer.json() == read(caller, path)
        assert answer.json()["Notes"] == "Known since May"
        assert answer.json()["Status"] == "Failed"
        assert read(caller, "/api/search?tql=Text%20~%20may")["Total"] == 1

    @pytest.mark.parametrize(
        "sent, status, text",
        [
            ({}, 403, "Notes: This field is required."),
            ({"Notes": {}}, 400, "The member Notes must be a text."),
            (
                {"Notes": "x" * 70_000},
                403,
                "Notes: Ensure this field has no more than 65536 characters.",
            ),
        ],
    )
    def test_refuses_other_notes(
        self,
        caller: Caller,
        shop: AutomatedTestRun,
        sent: dict[str, Any],
        status: int,
        text: str,
    ) -> None:
        node = ResultNode.objects.get(name="pays")

        answer = send(caller, "PATCH", f"/api/automatedtestrun/{shop.pk}/node/{node.pk}", sent)

        assert (answer.status_code, answer.json()) == (status, {"Message": text})

    def test_is_known_in_its_own_run_only(
        self, caller: Caller, assignment: AutomatedTestAssignment, shop: AutomatedTestRun
    ) -> None:
        other = RunFactory.create(assignment=assignment)
        node = ResultNode.objects.get(name="pays")

        found = read(caller, f"/api/automatedtestrun/{other.pk}/node/{node.pk}", 404)

        assert found == {"Message": f"The result node {node.pk} does not exist."}


class TestSearch:
    @pytest.mark.spec("enterprise_tester", "Search", "ResultNode")
    @pytest.mark.parametrize("word", ["refund", "rounded", "Refund"])
    def test_finds_a_failing_test_by_a_word_of_its_name(
        self, caller: Caller, shop: AutomatedTestRun, word: str
    ) -> None:
        [found] = read(caller, f"/api/search?tql=Name%20~%20{word}")["Items"]

        node = ResultNode.objects.get(name="refund_is_rounded")
        path = f"/api/automatedtestrun/{shop.pk}/node/{node.pk}"
        assert found == {**read(caller, path), "EntityType": "ResultNode"}

    def test_finds_nothing_of_another_account(self, shop: AutomatedTestRun) -> None:
        assert read(Caller(), "/api/search?tql=Name%20~%20refund")["Total"] == 0

    def test_knows_what_belongs_together(
        self, caller: Caller, assignment: AutomatedTestAssignment, shop: AutomatedTestRun
    ) -> None:
        found = read(
            caller,
            f"/api/search?tql=EntityType=ResultNode AND Assignment={assignment.pk}"
            f" AND Project={assignment.package.project_id} AND Status=Failed",
        )

        assert set(names(found["Items"])) == {"shop", "refund_is_rounded"}
