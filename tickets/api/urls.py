"""Where the resources of test results are."""

from __future__ import annotations

from backgroundtasks.api import kit
from tickets.api.attachments.urls import urlpatterns as attachments
from tickets.api.incidents.urls import urlpatterns as incidents
from tickets.api.manual.urls import urlpatterns as manual
from tickets.api.relationships import RESOURCES
from tickets.api.systems.urls import urlpatterns as systems
from tickets.api.views.assignment_runs import AssignmentRuns
from tickets.api.views.assignments import AssignmentById, Assignments
from tickets.api.views.automated_tests import AutomatedTestById, AutomatedTests
from tickets.api.views.diagnostics import LatestPerformanceMeasurement
from tickets.api.views.execution_packages import (
    ExecutionPackageById,
    ExecutionPackageChildren,
    ExecutionPackages,
)
from tickets.api.views.export_files import ExportFile
from tickets.api.views.nodes import NodeById, NodeChildren, RootNodes
from tickets.api.views.organisation import OrganisationById, OwnOrganisation
from tickets.api.views.picklists import ProjectPicklist, ProjectPicklistItem
from tickets.api.views.projects import ProjectById, Projects, ProjectsSearch
from tickets.api.views.runs import RunById, Runs

_PACKAGE = "api/executionpackage/<guid:package_id>"
_ASSIGNMENT = "api/automatedtestassignment/<guid:assignment_id>"
_RUN = "api/automatedtestrun/<guid:run_id>"
_PICKLIST = "api/project/<guid:project_id>/picklist/<str:picklist>"
_NODE = f"{_RUN}/node/<guid:node_id>"

urlpatterns = [
    kit.route(
        "api/diagnostics/performancemeasurement/latest",
        LatestPerformanceMeasurement,
        "latest-performancemeasurement",
    ),
    kit.route("api/exportfile/<str:filename>", ExportFile, "exportfile"),
    kit.route("api/organisation", OwnOrganisation, "own-organisation"),
    kit.route("api/organisation/<guid:organisation_id>", OrganisationById, "organisation"),
    kit.route("api/projects", Projects, "projects"),
    kit.route("api/projectssearch", ProjectsSearch, "projectssearch"),
    kit.route("api/project/<guid:project_id>", ProjectById, "project"),
    kit.route(_PICKLIST, ProjectPicklist, "project-picklist"),
    kit.route(f"{_PICKLIST}/<guid:item_id>", ProjectPicklistItem, "project-picklist-item"),
    kit.route("api/executionpackages", ExecutionPackages, "executionpackages"),
    kit.route(_PACKAGE, ExecutionPackageById, "executionpackage"),
    kit.route(f"{_PACKAGE}/children", ExecutionPackageChildren, "executionpackage-children"),
    kit.route("api/automatedtests", AutomatedTests, "automatedtests"),
    kit.route("api/automatedtest/<guid:test_id>", AutomatedTestById, "automatedtest"),
    kit.route("api/automatedtestassignments", Assignments, "automatedtestassignments"),
    kit.route(_ASSIGNMENT, AssignmentById, "automatedtestassignment"),
    kit.route(f"{_ASSIGNMENT}/runs", AssignmentRuns, "automatedtestassignment-runs"),
    kit.route("api/automatedtestruns", Runs, "automatedtestruns"),
    kit.route(_RUN, RunById, "automatedtestrun"),
    kit.route(f"{_RUN}/nodes", RootNodes, "automatedtestrun-nodes"),
    kit.route(_NODE, NodeById, "automatedtestrun-node"),
    kit.route(f"{_NODE}/children", NodeChildren, "automatedtestrun-node-children"),
    *attachments,
    *(kit.route(path, resource, name) for path, resource, name in RESOURCES),
    *manual,
    *incidents,
    *systems,
]

_READ_AND_CREATE = ("GET", "POST")
kit.register_root(
    "Projects",
    "Projects",
    "projects",
    _READ_AND_CREATE,
    description="What is tested",
    odata=True,
)
kit.register_root(
    "ExecutionPackages",
    "Execution Packages",
    "executionpackages",
    _READ_AND_CREATE,
    description="Folders of a project for what is to be run",
    odata=True,
    tql=True,
)
kit.register_root(
    "AutomatedTests",
    "Automated Tests",
    "automatedtests",
    _READ_AND_CREATE,
    description="Tests that a tool runs",
    odata=True,
    tql=True,
)
kit.register_root(
    "AutomatedTestAssignments",
    "Automated Test Assignments",
    "automatedtestassignments",
    _READ_AND_CREATE,
    description="Automated tests in execution packages; their results are uploaded here",
    odata=True,
    tql=True,
)
kit.register_root(
    "AutomatedTestRuns",
    "Automated Test Runs",
    "automatedtestruns",
    ("GET",),
    description="Imported results",
    odata=True,
    tql=True,
)
