"""What the plans of resources' queries must be: what a page needs, and no whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tests.support import factories
from tests.support.projects import AgileRunFactory, IncidentFactory, RunFactory, ScriptRunFactory
from tickets.api import lookup
from tickets.models import (
    AgileRunStep,
    AgileRunStepIncident,
    Incident,
    ResultNode,
    ResultNodeIncident,
    StepResult,
    StepResultIncident,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

pytestmark = pytest.mark.django_db

ROWS = 2_000
PAGE = 25


def nodes_of_a_run(incident: Incident) -> QuerySet[ResultNode]:
    """Return a page of a run's nodes, of which each has the incident."""
    run = RunFactory.create(
        account=incident.account, assignment__automated_test__project=incident.project
    )
    made = ResultNode.objects.bulk_create(
        ResultNode(run=run, position=place, is_case=True, name="x", status="Failed")
        for place in range(ROWS)
    )
    ResultNodeIncident.objects.bulk_create(
        ResultNodeIncident(run=run, node=node, incident=incident) for node in made
    )
    nodes = lookup.nodes(factories.actor("viewer", incident.account), run.pk)
    return nodes.order_by("position", "pk")[:PAGE]


def steps_of_a_script(incident: Incident) -> QuerySet[StepResult]:
    """Return a page of the steps of runs of scripts, of which each has the incident."""
    run = ScriptRunFactory.create(
        account=incident.account, assignment__script__project=incident.project
    )
    made = StepResult.objects.bulk_create(
        StepResult(run=run, position=place) for place in range(ROWS)
    )
    StepResultIncident.objects.bulk_create(
        StepResultIncident(step_result=step, incident=incident) for step in made
    )
    steps = lookup.step_results(factories.actor("viewer", incident.account))
    return steps.filter(run=run).order_by("position")[:PAGE]


def steps_of_an_agile_run(incident: Incident) -> QuerySet[AgileRunStep]:
    """Return a page of the steps of an agile run, of which each has the incident."""
    run = AgileRunFactory.create(package__project=incident.project)
    made = AgileRunStep.objects.bulk_create(
        AgileRunStep(run=run, position=place) for place in range(ROWS)
    )
    AgileRunStepIncident.objects.bulk_create(
        AgileRunStepIncident(step=step, incident=incident) for step in made
    )
    steps = lookup.agile_steps(factories.actor("viewer", incident.account))
    return steps.filter(run=run).order_by("position", "pk")[:PAGE]


@pytest.mark.parametrize(
    "page, postgresql, sqlite",
    [
        (nodes_of_a_run, "using one_link_per_node", "(node_id=?)"),
        (steps_of_a_script, "using one_link_per_step_result", "(step_result_id=?)"),
        (steps_of_an_agile_run, "using one_link_per_agile_step", "(step_id=?)"),
    ],
)
def test_whether_there_are_incidents_is_looked_up_row_by_row(
    page: Callable[[Incident], QuerySet[Any]], postgresql: str, sqlite: str
) -> None:
    """For `EXISTS` PostgreSQL prepares for more rows than a page has, and reads all links."""
    rows = page(IncidentFactory.create())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    plan = rows.explain()

    assert (postgresql if connection.vendor == "postgresql" else sqlite) in plan, plan
    assert [bool(row.has_incidents) for row in rows] == [True] * PAGE
