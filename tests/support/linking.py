"""Steps and nodes that failed, and trackers that have tickets for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backgroundtasks.handlers import Actor, TaskHandler
from tests.support import factories
from tests.support.projects import (
    AgileRunStepFactory,
    ExternalSystemFactory,
    ExternalSystemLinkFactory,
    NodeFactory,
    PackageFactory,
    ProjectFactory,
    StepResultFactory,
)
from tickets import connections, trackers
from tickets.handlers.link_ticket_to_agile_run_step import LinkTicketToAgileRunStep
from tickets.handlers.link_ticket_to_automated_test_run_result_node import (
    LinkTicketToAutomatedTestRunResultNode,
)
from tickets.handlers.link_ticket_to_step_result import LinkTicketToStepResult
from tickets.models import ExternalSystemLink, Project


@dataclass(frozen=True)
class Failed:
    """Something that failed: how a ticket is linked with it, and where its links are shown."""

    handler: type[TaskHandler]
    parameters: dict[str, str]
    target: Any
    #: Below `/api/`.
    path: str
    #: The field of an incident by which its links are found.
    links: str


@dataclass
class Bench:
    """A project with the built-in tracker, whose tickets are `TST-…`."""

    actor: Actor = field(default_factory=factories.actor)
    project: Project = field(init=False)
    link: ExternalSystemLink = field(init=False)

    def __post_init__(self) -> None:
        self.project = ProjectFactory.create(account=self.actor.account, name="Billing")
        self.link = self.linked("TST")

    def linked(self, key: str, **values: Any) -> ExternalSystemLink:
        """Return one more tracker of the project."""
        if "external_system" not in values:
            values["external_system"] = ExternalSystemFactory.create(account=self.actor.account)
        return ExternalSystemLinkFactory.create(project=self.project, tracker_project=key, **values)

    def tracker(self, link: ExternalSystemLink | None = None) -> trackers.Tracker:
        return connections.tracker_of(link or self.link)

    def ticket(
        self, summary: str = "Refund is not rounded", link: ExternalSystemLink | None = None
    ) -> trackers.Ticket:
        """Return a new ticket."""
        mark = f"test:{self.project.pk}:{summary}".replace(" ", "-")
        return self.tracker(link).create(trackers.Draft(summary=summary, mark=mark))

    def step(self) -> Failed:
        row = StepResultFactory.create(
            run__assignment__script__project=self.project,
            run__assignment__script__name="Refund",
            position=0,
        )
        return Failed(
            LinkTicketToStepResult,
            {"StepResultId": str(row.pk)},
            row,
            f"stepresult/{row.pk}",
            "step_result_links",
        )

    def agile_step(self) -> Failed:
        row = AgileRunStepFactory.create(
            run__package=PackageFactory.create(project=self.project), run__name="Refund", position=0
        )
        return Failed(
            LinkTicketToAgileRunStep,
            {"AgileRunId": str(row.run_id), "StepId": str(row.pk)},
            row,
            f"agilerun/{row.run_id}/step/{row.pk}",
            "agile_step_links",
        )

    def node(self) -> Failed:
        row = NodeFactory.create(
            run__assignment__automated_test__project=self.project, status="Failed", name="refund"
        )
        return Failed(
            LinkTicketToAutomatedTestRunResultNode,
            {"AutomatedTestRunId": str(row.run_id), "ResultNodeId": str(row.pk)},
            row,
            f"automatedtestrun/{row.run_id}/node/{row.pk}",
            "node_links",
        )

    def failed(self, word: str) -> Failed:
        """Return what failed, by the name of its method."""
        found: Failed = getattr(self, word)()
        return found


#: The names of the three.
WORDS = ("step", "agile_step", "node")
