"""Projects, execution packages, automated tests and assignments (sections 3.1, 3.2, 3.5)."""

import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from pytest_django import DjangoAssertNumQueries

from backgroundtasks.models import Account
from tests.support import factories
from tests.support.http import Caller
from tests.support.projects import (
    AgileRunFactory,
    AssignmentFactory,
    AutomatedTestFactory,
    NodeFactory,
    PackageFactory,
    ProjectFactory,
    RunFactory,
    ScriptAssignmentFactory,
    send,
)
from tickets.models import (
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    Project,
    ResultNode,
)

pytestmark = pytest.mark.django_db

HOST = "http://testserver"
ZERO = "00000000-0000-0000-0000-000000000000"


def body(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    return answer.json()


def message(answer: Any, status: int) -> str:
    found = body(answer, status)
    assert list(found) == ["Message"]
    text: str = found["Message"]
    return text


class TestCreateProject:
    @pytest.mark.spec("enterprise_tester", "Projects", "POST")
    def test_answers_201_with_the_project(self, caller: Caller, account: Account) -> None:
        answer = caller.post("/api/projects", {"Name": "Billing", "Slug": "bil"})

        project = Project.objects.get()
        assert body(answer, 201) == {
            "Id": str(project.pk),
            "Name": "Billing",
            "OrganisationId": str(account.pk),
            "OrganisationName": account.name,
            "ProjectCategoryId": None,
            "ProjectCategoryName": None,
            "Description": None,
            "EstimatedEndDate": None,
            "ManagerId": None,
            "ManagerUserName": None,
            "Slug": "bil",
            "AutoNumberRequirements": False,
            "AutoNumberScripts": False,
            "Independent": False,
            "RequirementNumberReadOnly": False,
            "ScriptNumberReadOnly": False,
            "OrderNumber": 0,
            "StartDate": None,
            "ProjectTypeId": None,
            "Expands": [
                "Statuses",
                "Priorities",
                "TestTypes",
                "IncidentTypes",
                "IncidentStatuses",
                "IncidentResolutions",
                "Versions",
                "Components",
                "ExecutionPackages",
                "ExternalSystemLinks",
                "Widgets",
            ],
            "Self": f"{HOST}/api/project/{project.pk}",
        }
        assert answer["Location"] == answer.json()["Self"]

    def test_takes_what_a_typed_client_sends(self, caller: Caller, account: Account) -> None:
        sent = {
            "Name": "Billing",
            "OrganisationId": ZERO,
            "ProjectCategoryId": ZERO,
            "Description": None,
            "AutoNumberScripts": None,
            "Independent": True,
            "OrderNumber": 3,
            "StartDate": "2024-03-05T08:15:42Z",
            "ManagerId": str(caller.actor.user.pk),
            "Links": [],
            "Expands": [],
            "Unheard": {"of": 1},
        }

        found = body(caller.post("/api/projects/", sent), 201)

        assert found["Independent"] is True
        assert found["OrderNumber"] == 3
        assert found["StartDate"] == "2024-03-05T08:15:42Z"
        assert found["ManagerUserName"] == caller.actor.user.username

    @pytest.mark.spec("enterprise_tester", "Projects", "409")
    @pytest.mark.parametrize("name", ["Billing", "BILLING", " Billing "])
    def test_answers_409_when_the_name_is_in_use(self, caller: Caller, name: str) -> None:
        caller.post("/api/projects", {"Name": "Billing"})

        answer = caller.post("/api/projects", {"Name": name})

        assert message(answer, 409) == f"A project named {name.strip()!r} exists already."
        assert Project.objects.count() == 1

    def test_may_have_the_name_of_another_accounts_project(self, caller: Caller) -> None:
        ProjectFactory.create(name="Billing")

        assert caller.post("/api/projects", {"Name": "Billing"}).status_code == 201

    @pytest.mark.spec("enterprise_tester", "Projects", "403")
    @pytest.mark.parametrize(
        "sent, text",
        [
            ({}, "Name: This field is required."),
            ({"Name": None}, "Name: This field may not be null."),
            ({"Name": ""}, "Name: This field may not be blank."),
            ({"Name": "x" * 256}, "Name: Ensure this field has no more than 255 characters."),
            (
                {"Name": "x", "OrderNumber": 2**31},
                "OrderNumber: Ensure this value is less than or equal to 2147483647.",
            ),
            (
                {"Name": "x", "OrganisationId": str(uuid.UUID(int=5))},
                f"The organisation {uuid.UUID(int=5)} does not exist.",
            ),
            ({"Name": "x", "ManagerId": "99999"}, "The user 99999 does not exist."),
            ({"Name": "x", "ManagerId": "kim"}, "The user kim does not exist."),
        ],
    )
    def test_answers_403_when_it_is_not_valid(
        self, caller: Caller, sent: dict[str, Any], text: str
    ) -> None:
        assert message(caller.post("/api/projects", sent), 403) == text
        assert not Project.objects.exists()

    @pytest.mark.parametrize(
        "sent", ["{", "[]", '"x"', '{"Name": 5}', '{"Name": "x", "OrderNumber": "y"}']
    )
    def test_answers_400_when_the_json_is_of_another_kind(self, caller: Caller, sent: str) -> None:
        assert message(caller.post("/api/projects", sent), 400)

    def test_takes_a_member(self) -> None:
        viewer = Caller(factories.actor("viewer"))

        answer = viewer.post("/api/projects", {"Name": "Billing"})

        assert "the role member" in message(answer, 403)
        assert not Project.objects.exists()


class TestProject:
    @pytest.mark.spec("enterprise_tester", "Project", "GET")
    @pytest.mark.parametrize("path", ["/api/project/{}", "/API/Project/{}/", "/Api/PROJECT/{}"])
    def test_is_read_under_any_spelling_of_its_path(
        self, caller: Caller, account: Account, path: str
    ) -> None:
        project = ProjectFactory.create(account=account)

        for identity in (str(project.pk), str(project.pk).upper()):
            found = body(caller.get(path.format(identity)))

            assert found["Id"] == str(project.pk)
            assert found["Self"] == f"{HOST}/api/project/{project.pk}"

    def test_of_another_account_is_answered_like_an_unknown_one(self, caller: Caller) -> None:
        foreign, unknown = ProjectFactory.create().pk, uuid.uuid4()

        for identity in (foreign, unknown):
            answer = caller.get(f"/api/project/{identity}")

            assert message(answer, 404) == f"The project {identity} does not exist."

    @pytest.mark.spec("enterprise_tester", "Project", "PUT")
    def test_is_changed_by_what_is_sent(self, caller: Caller, account: Account) -> None:
        project = ProjectFactory.create(account=account, description="old", slug="s")

        found = body(
            send(caller, "PUT", f"/api/project/{project.pk}", {"Name": "N", "Description": None})
        )

        assert (found["Name"], found["Description"], found["Slug"]) == ("N", None, "s")

    def test_cannot_take_a_name_in_use(self, caller: Caller, account: Account) -> None:
        ProjectFactory.create(account=account, name="Taken")
        project = ProjectFactory.create(account=account, name="Mine")

        answer = send(caller, "PUT", f"/api/project/{project.pk}", {"Name": "taken"})

        assert message(answer, 409) == "A project named 'taken' exists already."
        project.refresh_from_db()
        assert project.name == "Mine"

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_answers_405_to_other_methods(
        self, caller: Caller, account: Account, method: str
    ) -> None:
        project = ProjectFactory.create(account=account)

        answer = caller.call(method, f"/api/project/{project.pk}")

        assert answer.status_code == 405
        assert answer["Allow"] == "GET, PUT, DELETE, HEAD, OPTIONS"
        assert answer.json()["Message"]

    @pytest.mark.spec("enterprise_tester", "Expand", "$expand")
    @pytest.mark.parametrize("name", ["$expand", "expand"])
    def test_expands_its_packages(self, caller: Caller, account: Account, name: str) -> None:
        package = PackageFactory.create(project__account=account)

        found = body(
            caller.get(f"/api/project/{package.project_id}?{name}=Unheard,executionpackages")
        )

        assert "ExecutionPackages" not in found["Expands"]
        assert [item["Id"] for item in found["ExecutionPackages"]] == [str(package.pk)]


def test_projects_are_found_by_a_part_of_their_name(caller: Caller, account: Account) -> None:
    for name in ("Billing", "Bill of rights", "Shop"):
        ProjectFactory.create(name=name, account=account)
    ProjectFactory.create(name="Billing elsewhere")
    viewer = Caller(factories.actor(role="viewer", account=account))

    for answer in (
        viewer.get("/api/projectssearch?query=BILL"),
        viewer.post("/api/projectssearch?query=bill"),
    ):
        assert [item["Name"] for item in body(answer)["Items"]] == ["Bill of rights", "Billing"]
    assert "at most 500" in message(caller.get(f"/api/projectssearch?query={'x' * 501}"), 403)


class TestProjects:
    @pytest.mark.spec("enterprise_tester", "Projects", "GET")
    def test_are_a_page_of_25(self, caller: Caller, account: Account) -> None:
        ProjectFactory.create_batch(30, account=account)
        ProjectFactory.create()

        found = body(caller.get("/api/projects"))

        assert {name: found[name] for name in ("Skip", "Top", "Total")} == {
            "Skip": 0,
            "Top": 25,
            "Total": 30,
        }
        assert len(found["Items"]) == 25

    @pytest.mark.spec("enterprise_tester", "OData", "$filter")
    def test_are_found_by_name(self, caller: Caller, account: Account) -> None:
        for name in ("Billing", "Shipping", "Bill's"):
            ProjectFactory.create(account=account, name=name)

        def names(**query: str) -> list[str]:
            found = body(caller.get(f"/api/projects?{urlencode(query)}"))
            return [item["Name"] for item in found["Items"]]

        assert names(**{"$filter": "Name eq 'Billing'"}) == ["Billing"]
        assert names(**{"$filter": "Name eq 'Bill''s'"}) == ["Bill's"]
        assert names(**{"$filter": "substringof('pp',Name) eq true"}) == ["Shipping"]
        assert names(**{"$orderby": "Name desc"}) == ["Shipping", "Billing", "Bill's"]
        assert names(**{"$orderby": "Name", "$take": "1", "$skip": "1"}) == ["Billing"]

    @pytest.mark.parametrize("expand", ["", "?$expand=ExecutionPackages"])
    def test_cost_the_same_number_of_queries_however_many(
        self,
        caller: Caller,
        account: Account,
        expand: str,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for package in PackageFactory.create_batch(20, project__account=account):
            PackageFactory.create(project=package.project)
        caller.get("/api/projects")  # the credential is known from here on

        with django_assert_max_num_queries(5):
            found = body(caller.get(f"/api/projects{expand}"))

        assert found["Total"] == 20

    def test_are_listed_in_the_root_resource(self, caller: Caller) -> None:
        links = {link["Rel"]: link for link in body(caller.get("/api"))["Links"]}

        assert links["Projects"]["Href"] == f"{HOST}/api/projects"
        assert links["Projects"]["SupportsOData"] is True
        assert {
            "ExecutionPackages",
            "AutomatedTests",
            "AutomatedTestAssignments",
            "AutomatedTestRuns",
        } <= set(links)


class TestExecutionPackages:
    @pytest.mark.spec("enterprise_tester", "Execution package", "POST")
    def test_are_created_in_a_project(self, caller: Caller, account: Account) -> None:
        project = ProjectFactory.create(account=account)

        answer = caller.post(
            "/api/executionpackages", {"Name": "Sprint", "ProjectId": str(project.pk)}
        )

        package = ExecutionPackage.objects.get()
        assert body(answer, 201) == {
            "Id": str(package.pk),
            "ParentId": None,
            "ProjectId": str(project.pk),
            "Name": "Sprint",
            "Stereotype": None,
            "OrderNumber": 0,
            "Expands": [
                "Children",
                "Parent",
                "Project",
                "AutomatedTestAssignments",
                "ScriptAssignments",
                "AgileRuns",
            ],
            "Self": f"{HOST}/api/executionpackage/{package.pk}",
            "Links": [
                {
                    "Href": f"{HOST}/api/executionpackage/{package.pk}/children",
                    "Rel": "Children",
                }
            ],
        }

    def test_are_created_in_a_package_of_its_project(
        self, caller: Caller, account: Account
    ) -> None:
        parent = PackageFactory.create(project__account=account)

        found = body(
            caller.post("/api/executionpackages", {"Name": "Inner", "ParentId": str(parent.pk)}),
            201,
        )

        assert (found["ParentId"], found["ProjectId"]) == (str(parent.pk), str(parent.project_id))
        children = body(caller.get(f"/api/executionpackage/{parent.pk}/children"))
        assert [item["Id"] for item in children["Items"]] == [found["Id"]]
        assert children["Total"] == 1

    def test_are_refused_without_a_place(self, caller: Caller, account: Account) -> None:
        other = PackageFactory.create()
        mine = PackageFactory.create(project__account=account)
        project = ProjectFactory.create(account=account)

        for sent, text in (
            ({}, "ProjectId: This field is required."),
            ({"ProjectId": ZERO}, "ProjectId: This field is required."),
            (
                {"ProjectId": str(other.project_id)},
                f"The project {other.project_id} does not exist.",
            ),
            ({"ParentId": str(other.pk)}, f"The execution package {other.pk} does not exist."),
            (
                {"ParentId": str(mine.pk), "ProjectId": str(project.pk)},
                f"The execution package {mine.pk} is in another project.",
            ),
            ({"ProjectId": "x"}, "ProjectId: Must be a valid UUID."),
        ):
            answer = caller.post("/api/executionpackages", {"Name": "P", **sent})

            assert message(answer, 403) == text
        assert ExecutionPackage.objects.count() == 2

    def test_are_nested_fifty_deep_at_most(self, caller: Caller, account: Account) -> None:
        project = ProjectFactory.create(account=account)
        parent = None
        for _ in range(50):
            parent = PackageFactory.create(project=project, parent=parent)

        answer = caller.post("/api/executionpackages", {"Name": "P", "ParentId": str(parent.pk)})

        assert message(answer, 403) == "Execution packages may be nested 50 deep."

    def test_expand_what_is_around_them(self, caller: Caller, account: Account) -> None:
        assignment = AssignmentFactory.create(automated_test__project__account=account)
        package = assignment.package
        inner = PackageFactory.create(project=package.project, parent=package)
        expand = "$expand=Children,Parent,Project,AutomatedTestAssignments"

        found = body(caller.get(f"/api/executionpackage/{package.pk}?{expand}"))
        found_inner = body(caller.get(f"/api/executionpackage/{inner.pk}?{expand}"))

        assert found["Expands"] == ["ScriptAssignments", "AgileRuns"]
        assert [item["Id"] for item in found["Children"]] == [str(inner.pk)]
        assert found["Parent"] is None
        assert found["Project"]["Id"] == str(package.project_id)
        assert [item["Id"] for item in found["AutomatedTestAssignments"]] == [str(assignment.pk)]
        assert found_inner["Parent"]["Id"] == str(package.pk)
        assert found_inner["Children"] == []


class TestAutomatedTests:
    @pytest.mark.spec("enterprise_tester", "Automated test", "POST")
    def test_are_created_in_a_project(self, caller: Caller, account: Account) -> None:
        package = PackageFactory.create(project__account=account)
        sent = {
            "Name": "Unit tests",
            "ProjectId": str(package.project_id),
            "PackageId": str(package.pk),
            "Type": "UnitTest",
            "Configuration": {"Type": "JUnit"},
        }

        answer = caller.post("/api/automatedtests", sent)

        test = AutomatedTest.objects.get()
        assert body(answer, 201) == {
            "Id": str(test.pk),
            **sent,
            "Expands": ["Project", "Package"],
            "Self": f"{HOST}/api/automatedtest/{test.pk}",
        }

    def test_are_in_the_project_of_their_package(self, caller: Caller, account: Account) -> None:
        package = PackageFactory.create(project__account=account)

        found = body(
            caller.post("/api/automatedtests", {"Name": "T", "PackageId": str(package.pk)}), 201
        )

        assert found["ProjectId"] == str(package.project_id)
        assert (found["Type"], found["Configuration"]) == ("UnitTest", {})

    def test_are_refused_in_two_projects_or_none(self, caller: Caller, account: Account) -> None:
        package = PackageFactory.create(project__account=account)
        project = ProjectFactory.create(account=account)

        for sent, text in (
            ({}, "ProjectId: This field is required."),
            (
                {"ProjectId": str(project.pk), "PackageId": str(package.pk)},
                f"The execution package {package.pk} is in another project.",
            ),
        ):
            assert message(caller.post("/api/automatedtests", {"Name": "T", **sent}), 403) == text
        assert not AutomatedTest.objects.exists()

    def test_are_changed_by_what_is_sent(self, caller: Caller, account: Account) -> None:
        test = AutomatedTestFactory.create(project__account=account)

        found = body(
            send(caller, "PUT", f"/api/automatedtest/{test.pk}", {"Name": "New", "Type": "QTP"})
        )

        assert (found["Name"], found["Type"]) == ("New", "QTP")
        assert found["Configuration"] == {"Type": "JUnit"}

    def test_stay_in_their_project(self, caller: Caller, account: Account) -> None:
        test = AutomatedTestFactory.create(project__account=account)
        other = PackageFactory.create(project__account=account)

        for sent, text in (
            ({"ProjectId": str(other.project_id)}, "An automated test stays in its project."),
            (
                {"PackageId": str(other.pk)},
                f"The execution package {other.pk} is in another project.",
            ),
        ):
            answer = send(caller, "PUT", f"/api/automatedtest/{test.pk}", sent)

            assert message(answer, 403) == text

    @pytest.mark.spec("enterprise_tester", "Automated tests", "tql")
    def test_are_found_by_tql(self, caller: Caller, account: Account) -> None:
        project = ProjectFactory.create(account=account)
        for name in ("Refund is rounded", "Checkout"):
            caller.post("/api/automatedtests", {"Name": name, "ProjectId": str(project.pk)})
        caller.post("/api/executionpackages", {"Name": "Refund", "ProjectId": str(project.pk)})

        found = body(caller.get("/api/automatedtests?tql=Name%20~%20refund&$expand=Project"))

        assert [item["Name"] for item in found["Items"]] == ["Refund is rounded"]
        assert found["Total"] == 1
        assert found["Items"][0]["Project"]["Id"] == str(project.pk)

    @pytest.mark.parametrize(
        "query, part",
        [
            ("tql=Name%20~", "line 1"),
            ("tql=Colour%20=%20red", "Colour"),
            ("tql=GROUP%20BY%20Name%20{COUNT}", "GROUP BY is for /api/search"),
            ("tql=Name%20~%20x&$filter=Name%20eq%20'x'", "$filter cannot be combined with tql"),
        ],
    )
    def test_are_refused_by_a_tql_that_cannot_be(
        self, caller: Caller, query: str, part: str
    ) -> None:
        assert part in message(caller.get(f"/api/automatedtests?{query}"), 403)


class TestAssignments:
    @pytest.mark.spec("enterprise_tester", "Automated test assignment", "POST")
    def test_put_a_test_into_a_package(self, caller: Caller, account: Account) -> None:
        test = AutomatedTestFactory.create(project__account=account)
        package = PackageFactory.create(project=test.project)

        answer = caller.post(
            "/api/automatedtestassignments",
            {"AutomatedTestId": str(test.pk).upper(), "PackageId": str(package.pk)},
        )

        assignment = AutomatedTestAssignment.objects.get()
        assert body(answer, 201) == {
            "Id": str(assignment.pk),
            "AutomatedTestId": str(test.pk),
            "Name": test.name,
            "Status": "Not Run",
            "AssignedTo": None,
            "AssignedToId": None,
            "PackageId": str(package.pk),
            "Expands": ["Runs", "Package", "Totals", "AutomatedTest"],
            "Self": f"{HOST}/api/automatedtestassignment/{assignment.pk}",
            "Links": [
                {
                    "Href": f"{HOST}/api/automatedtestassignment/{assignment.pk}/{rel.lower()}",
                    "Rel": rel,
                }
                for rel in ("Runs", "Relationships", "AllRelationships")
            ],
        }

    def test_are_refused_over_two_projects(self, caller: Caller, account: Account) -> None:
        test = AutomatedTestFactory.create(project__account=account)
        package = PackageFactory.create(project__account=account)

        answer = caller.post(
            "/api/automatedtestassignments",
            {"AutomatedTestId": str(test.pk), "PackageId": str(package.pk)},
        )

        assert message(answer, 403) == (
            "The automated test and the execution package are of two projects."
        )

    def test_show_the_status_and_totals_of_their_last_run(
        self, caller: Caller, account: Account
    ) -> None:
        assignment = AssignmentFactory.create(automated_test__project__account=account)
        first = RunFactory.create(assignment=assignment, status="Passed")
        last = RunFactory.create(assignment=assignment, status="Failed", failed=2, passed=5)
        RunFactory.create(assignment=assignment, stage="staged", imported_at=None)

        found = body(
            caller.get(
                f"/api/automatedtestassignment/{assignment.pk}"
                "?$expand=Totals,Runs,Package,AutomatedTest"
            )
        )

        assert found["Status"] == "Failed"
        assert (found["Totals"]["Failed"], found["Totals"]["Passed"]) == (2, 5)
        assert [run["Id"] for run in found["Runs"]] == [str(last.pk), str(first.pk)]
        assert found["Package"]["Id"] == str(assignment.package_id)
        assert found["AutomatedTest"]["Id"] == str(assignment.automated_test_id)
        assert found["Expands"] == []

    def test_cost_the_same_number_of_queries_however_many(
        self,
        caller: Caller,
        account: Account,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        project = ProjectFactory.create(account=account)
        for _ in range(15):
            assignment = AssignmentFactory.create(automated_test__project=project)
            RunFactory.create_batch(2, assignment=assignment)
        caller.get("/api/projects")

        with django_assert_max_num_queries(6):
            found = body(
                caller.get(
                    "/api/automatedtestassignments?$expand=Totals,Runs,Package,AutomatedTest"
                )
            )

        assert found["Total"] == 15


class TestChange:
    @pytest.mark.spec("enterprise_tester", "Execution package", "PUT")
    def test_of_a_package_leaves_it_where_it_is(self, caller: Caller, account: Account) -> None:
        package = PackageFactory.create(project__account=account, stereotype="s")
        other = PackageFactory.create(project__account=account)
        path = f"/api/executionpackage/{package.pk}"

        found = body(send(caller, "PUT", path, {"Name": "New", "OrderNumber": 4}))
        refused = send(caller, "PUT", path, {"ParentId": str(other.pk)})

        assert (found["Name"], found["OrderNumber"], found["Stereotype"]) == ("New", 4, "s")
        assert message(refused, 403) == "ParentId: An execution package stays where it is."

    @pytest.mark.spec("enterprise_tester", "Automated test assignment", "PUT")
    def test_of_an_assignment_gives_it_to_somebody(self, caller: Caller, account: Account) -> None:
        assignment = AssignmentFactory.create(automated_test__project__account=account)
        path = f"/api/automatedtestassignment/{assignment.pk}"
        user = caller.actor.user

        found = body(send(caller, "PUT", path, {"AssignedToId": str(user.pk)}))
        elsewhere = PackageFactory.create(project__account=account)
        refused = send(caller, "PUT", path, {"PackageId": str(elsewhere.pk)})

        assert (found["AssignedTo"], found["PackageId"]) == (
            user.username,
            str(assignment.package_id),
        )
        assert "two projects" in message(refused, 403)

    def test_of_a_name_is_found_by_search(self, caller: Caller, account: Account) -> None:
        assignment = AssignmentFactory.create(automated_test__project__account=account)
        path = f"/api/automatedtest/{assignment.automated_test_id}"

        send(caller, "PUT", path, {"Name": "Checkout"})

        found = body(caller.get("/api/search?tql=Name%20~%20checkout"))["Items"]
        assert {item["EntityType"] for item in found} == {
            "AutomatedTest",
            "AutomatedTestAssignment",
        }


class TestRemoval:
    @pytest.mark.spec("enterprise_tester", "Execution package", "DELETE")
    def test_of_a_package_that_is_not_empty_must_be_meant(
        self, caller: Caller, account: Account
    ) -> None:
        run = RunFactory.create(assignment__automated_test__project__account=account)
        NodeFactory.create_batch(3, run=run)
        package = run.assignment.package
        PackageFactory.create(project=package.project, parent=package)
        test = run.assignment.automated_test
        test.package = package
        test.save()
        path = f"/api/executionpackage/{package.pk}"

        refused = caller.call("DELETE", path)
        assert message(refused, 403) == (
            "The execution package is not empty: pass deleteChildren=true."
        )
        unclear = caller.call("DELETE", f"{path}?deleteChildren=perhaps")
        assert message(unclear, 403) == "deleteChildren must be true or false."
        assert ResultNode.objects.count() == 3

        answer = caller.call("DELETE", f"{path}?deleteChildren=true")

        assert (answer.status_code, answer.content) == (200, b"")
        assert not ExecutionPackage.objects.exists()
        assert not ResultNode.objects.exists()
        assert AutomatedTest.objects.get().package is None

    @pytest.mark.parametrize("inside", [AgileRunFactory, ScriptAssignmentFactory])
    def test_of_a_package_with_manual_tests_must_be_meant_as_well(
        self, caller: Caller, account: Account, inside: Any
    ) -> None:
        project = ProjectFactory.create(account=account)
        package = PackageFactory.create(project=project)
        if inside is ScriptAssignmentFactory:
            inside.create(package=package, script__project=project)
        else:
            inside.create(package=package)

        refused = caller.call("DELETE", f"/api/executionpackage/{package.pk}")

        assert "not empty" in message(refused, 403)
        assert inside._meta.model.objects.get().package == package

    @pytest.mark.spec("enterprise_tester", "Automated test", "DELETE")
    def test_of_a_test_takes_its_results_along(self, caller: Caller, account: Account) -> None:
        run = RunFactory.create(assignment__automated_test__project__account=account)
        NodeFactory.create(run=run, run__stage="staged")
        kept = RunFactory.create(assignment__automated_test__project__account=account)
        test = run.assignment.automated_test
        send(caller, "PUT", f"/api/automatedtest/{test.pk}", {"Name": "Checkout"})

        answer = caller.call("DELETE", f"/api/automatedtest/{test.pk}")

        assert answer.status_code == 200
        assert list(AutomatedTestRun.objects.all()) == [kept]
        assert list(AutomatedTest.objects.all()) == [kept.assignment.automated_test]
        assert body(caller.get("/api/search?tql=Name%20~%20checkout"))["Total"] == 0

    @pytest.mark.spec("enterprise_tester", "Automated test assignment", "DELETE")
    def test_of_an_assignment_takes_its_runs_along(self, caller: Caller, account: Account) -> None:
        run = RunFactory.create(assignment__automated_test__project__account=account)

        answer = caller.call("DELETE", f"/api/automatedtestassignment/{run.assignment_id}")

        assert answer.status_code == 200
        assert not AutomatedTestRun.objects.exists()
        assert AutomatedTest.objects.exists()

    @pytest.mark.parametrize(
        "path", ["executionpackage/{}", "automatedtest/{}", "automatedtestassignment/{}"]
    )
    def test_takes_a_member_of_the_account(self, account: Account, path: str) -> None:
        assignment = AssignmentFactory.create(automated_test__project__account=account)
        identity = {
            "executionpackage": assignment.package_id,
            "automatedtest": assignment.automated_test_id,
            "automatedtestassignment": assignment.pk,
        }[path.partition("/")[0]]
        viewer = Caller(factories.actor("viewer", account))

        assert viewer.call("DELETE", f"/api/{path.format(identity)}").status_code == 403
        assert Caller().call("DELETE", f"/api/{path.format(identity)}").status_code == 404
        assert AutomatedTestAssignment.objects.get() == assignment


@pytest.mark.parametrize(
    "path",
    [
        "executionpackage/{}",
        "executionpackage/{}/children",
        "automatedtest/{}",
        "automatedtestassignment/{}",
        "automatedtestassignment/{}/runs",
        "automatedtestrun/{}",
        "automatedtestrun/{}/nodes",
        "automatedtestrun/{}/node/00000000-0000-0000-0000-000000000000/children",
    ],
)
def test_what_belongs_to_another_account_is_unknown(caller: Caller, path: str) -> None:
    run = RunFactory.create()
    assignment = run.assignment
    theirs = {
        "executionpackage": assignment.package_id,
        "automatedtest": assignment.automated_test_id,
        "automatedtestassignment": assignment.pk,
        "automatedtestrun": run.pk,
    }[path.partition("/")[0]]

    for identity in (theirs, uuid.uuid4()):
        answer = caller.get(f"/api/{path.format(identity)}")

        assert message(answer, 404).endswith(f" {identity} does not exist.")


@pytest.mark.parametrize(
    "collection",
    [
        "projects",
        "executionpackages",
        "automatedtests",
        "automatedtestassignments",
        "automatedtestruns",
    ],
)
def test_collections_show_nothing_of_other_accounts(caller: Caller, collection: str) -> None:
    RunFactory.create()

    found = body(caller.get(f"/api/{collection}"))

    assert found == {"Skip": 0, "Top": 25, "Total": 0, "Items": []}


@pytest.mark.parametrize(
    "query", ["$top=x", "$skip=-1", "$filter=Colour eq 'x'", "$orderby=Colour"]
)
def test_a_bad_page_is_refused(caller: Caller, query: str) -> None:
    assert message(caller.get(f"/api/automatedtestruns?{query}"), 403)
