"""Schemathesis asks the live server everything that its OpenAPI document allows, and much that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from backgroundtasks import queries
from backgroundtasks.models import Schedule
from backgroundtasks.states import State
from tests.support import arcgis, factories, projects
from tests.support.agreement import require_agreement
from tests.support.astra import listed
from tests.support.http import Caller
from tests.support.uploads import attached
from tickets import trackers
from tickets.connections import tracker_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]


def _ids(actor: Any) -> dict[str, str]:
    """Store one of each thing, so that requests get behind the 404; return their ids."""
    project = projects.ProjectFactory.create(account=actor.account)
    assignment = projects.AssignmentFactory.create(
        automated_test__project=project, account=actor.account
    )
    run = projects.RunFactory.create(assignment=assignment, account=actor.account)
    node = projects.NodeFactory.create(run=run)
    step = projects.StepResultFactory.create(run__assignment__script__project=project)
    agile_step = projects.AgileRunStepFactory.create(run__package=assignment.package)
    incident = projects.IncidentFactory.create(project=project)
    word = projects.PicklistItemFactory.create(project=project)
    attachment = attached(incident)
    link = projects.ExternalSystemLinkFactory.create(project=project, tracker_project="TST")
    draft = trackers.Draft(summary="Refund is not rounded", mark="schemathesis")
    ticket = tracker_of(link).create(draft)
    return {
        "path.project_id": str(project.pk),
        "path.package_id": str(assignment.package_id),
        "path.test_id": str(assignment.automated_test_id),
        "path.assignment_id": str(assignment.pk),
        "path.run_id": str(run.pk),
        "path.node_id": str(node.pk),
        "path.script_id": str(step.run.assignment.script_id),
        "path.script_assignment_id": str(step.run.assignment_id),
        "path.script_run_id": str(step.run_id),
        "path.step_result_id": str(step.pk),
        "path.agile_run_id": str(agile_step.run_id),
        "path.step_id": str(agile_step.pk),
        "path.incident_id": str(incident.pk),
        "path.attachment_id": str(attachment.pk),
        "path.picklist": "Component",
        "path.item_id": str(word.pk),
        "path.system_id": str(link.external_system_id),
        "path.link_id": str(link.pk),
        "path.field_name": "Status",
        "path.ticket": ticket.id,
        "path.index_name": "entities",
        "path.public_id": f"work-{factories.run(State.SUCCEEDED, owner=actor).pk}",
    }


def test_every_answer_of_enterprise_tester_is_as_the_document_says(tmp_path: Path) -> None:
    actor = factories.actor(role="admin")

    require_agreement(tmp_path, actor, "enterprise_tester", _ids(actor))


def test_every_answer_of_astra_is_as_the_document_says(tmp_path: Path) -> None:
    actor = factories.actor(role="admin")
    for state in State:
        factories.run(state, owner=actor)
    run = factories.run(State.RUNNING, owner=actor, processed=1, total=3)
    # A text that leads on is ours, and belongs to an order: nobody can make one up.
    order = "percentDone desc"
    page = listed(Caller(actor), orderBy=order, limit="1")
    parameters = {
        "path.account_id": str(actor.account.pk),
        "path.task_id": str(run.pk),
        "query.orderBy": order,
        "query.continue": page["metadata"]["continue"],
    }

    require_agreement(tmp_path, actor, "astra", parameters)


def test_every_answer_of_sailpoint_is_as_the_document_says(tmp_path: Path) -> None:
    actor = factories.actor(role="admin")
    for state in State:
        factories.run(state, owner=actor)
    run = factories.run(State.SUCCEEDED, owner=actor, result={"values": {"a": 1}})
    parameters = {
        "path.task_id": run.pk.hex,
        "query.filters": 'type eq "WORK"',
        "query.sorters": "-created",
    }

    # No schema can say which patches mean something: others are 400, and of another state 412.
    patches = (
        '[[operations]]\ninclude-method = "PATCH"\n'
        "checks.positive_data_acceptance.expected-statuses = "
        '["2xx", "400", "401", "403", "404", "412"]\n'
    )

    require_agreement(tmp_path, actor, "sailpoint", parameters, patches)


def test_every_answer_of_arcgis_is_as_the_document_says(tmp_path: Path) -> None:
    script = arcgis.Script(arcgis.user(username="root"))
    task_id = arcgis.made(script)
    # It cannot be deleted, so that there is something to ask about until the end.
    Schedule.objects.update(protected=True)
    actor = queries.actor_of(script.user, arcgis.system().pk)
    task = Schedule.objects.get().task
    for state in State:
        run = factories.run(state, owner=actor, task=task, task_type="CreateBackup")
    parameters = {
        "path.task_id": task_id,
        "path.run_id": run.pk.hex,
        "path.username": "root",
        **{f"body.{name}": value for name, value in arcgis.CRON.items()},
    }
    # Pages have statuses of their own; no schema can say which words mean something.
    pages = (
        '[[operations]]\ninclude-path-regex = "/arcgis/"\n'
        "checks.positive_data_acceptance.expected-statuses = "
        '["2xx", "3xx", "400", "403", "404", "405"]\n'
    )
    # The vendor answers an error with 200, too: its clients repeat requests that are not.
    never = "--exclude-checks=negative_data_rejection,ignored_auth"

    require_agreement(
        tmp_path, actor, "arcgis", parameters, pages, never, "--phases=coverage,fuzzing", "-n", "2"
    )
