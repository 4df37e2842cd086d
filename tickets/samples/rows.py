"""
A sample project as rows: unit by unit, in an order in which everything finds what it belongs to.

A unit is a package, a run with its nodes, a script …; it is made from the seed and its number alone.
Ids follow from the background run, so that whoever makes a unit again makes the same one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from indexing import documents
from tickets import staging
from tickets.bulk_rows import Columns, Row, numbered_id, stored_moment
from tickets.models import (
    AgileRun,
    AgileRunStep,
    AgileRunStepIncident,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ExecutionPackage,
    Incident,
    IncidentPick,
    PickedAs,
    Picklist,
    PicklistItem,
    ResultNode,
    ResultNodeIncident,
    Script,
    ScriptAssignment,
    ScriptRun,
    Stage,
    StepResult,
)
from tickets.models.outcome import summed_up
from tickets.picklists import DEFAULTS
from tickets.results.node import Status
from tickets.results.totals import Totals
from tickets.samples import texts
from tickets.samples.size import words_of_a_project

if TYPE_CHECKING:
    from django.db.models import Model

    from tickets.samples.size import Size

#: Written in this order: what others name comes first.
_MODELS: Final[tuple[type[Model], ...]] = (
    PicklistItem,
    ExecutionPackage,
    AutomatedTest,
    AutomatedTestAssignment,
    AutomatedTestRun,
    ResultNode,
    Script,
    ScriptAssignment,
    ScriptRun,
    StepResult,
    AgileRun,
    AgileRunStep,
    Incident,
    IncidentPick,
    ResultNodeIncident,
    AgileRunStepIncident,
)
_COLUMNS: Final = {model: Columns(model) for model in _MODELS}
_INCIDENTS: Final = (Picklist.INCIDENT_STATUS, Picklist.INCIDENT_TYPE, Picklist.PRIORITY)
#: Rows of a batch, and documents; a run of results is written as a whole.
MOST_ROWS: Final = 1_000
MOST_DOCUMENTS: Final = 400
#: Test cases of a run that are looked at for a failure that an incident could be about.
_LOOKED_AT: Final = 100


class Batch:
    """Rows that are to be written together, and what of them is to be found."""

    def __init__(self) -> None:
        #: What the size counts: all but the links of incidents.
        self.entities = 0
        self._documents = 0
        self._rows: dict[type[Model], list[Row]] = defaultdict(list)
        self._found: dict[type[Model], list[UUID]] = defaultdict(list)

    def add(self, model: type[Model], *, counted: bool = True, **values: Any) -> None:
        """Take a row."""
        self._rows[model].append(_COLUMNS[model].row(**values))
        self.entities += counted

    def add_node(self, row: Row) -> None:
        """Take a node's row."""
        self._rows[ResultNode].append(row)
        self.entities += 1

    def find(self, model: type[Model], identity: str) -> None:
        """Let an entity be found once all is written."""
        if documents.knows(model):
            self._found[model].append(UUID(identity))
            self._documents += 1

    @property
    def is_full(self) -> bool:
        """Whether it is as much as one transaction should write: a few tens of milliseconds."""
        return self.entities >= MOST_ROWS or self._documents >= MOST_DOCUMENTS

    def write(self) -> None:
        """Write all of it, in the caller's transaction."""
        for model in _MODELS:
            _COLUMNS[model].insert(self._rows[model])
        for found, ids in self._found.items():
            documents.index(found, ids)


class SampleRows:
    """The rows of one sample project."""

    def __init__(
        self,
        seed: int,
        size: Size,
        *,
        until: datetime,
        account_id: UUID,
        project_id: UUID,
        user_id: int | None,
    ) -> None:
        """Take the moment at which its history ends, and whose it is."""
        self._seed = seed
        self._size = size
        self._until = until
        self._moment = stored_moment(until)
        self._project = project_id
        self._prefixes: dict[str, UUID] = {}
        self._owned: dict[str, Any] = {"account_id": account_id.hex}
        self._stamped: dict[str, Any] = {
            **self._owned,
            "created_at": stored_moment(until - timedelta(days=200)),
            "updated_at": self._moment,
        }
        self._user_id = user_id
        #: Kinds of units with how many there are, in the order in which they are made.
        self.units: tuple[tuple[Callable[[int, Batch], None], int], ...] = (
            (self._words, 1),
            (self._package, size.packages),
            (self._test, size.automated_tests),
            (self._run, size.runs),
            (self._script, size.scripts),
            (self._agile_run, size.agile_runs),
            (self._incident, size.incidents),
        )

    def _id(self, kind: str, number: int) -> str:
        if kind not in self._prefixes:
            self._prefixes[kind] = uuid5(self._project, kind)
        return numbered_id(self._prefixes[kind], number)

    def _words(self, _: int, batch: Batch) -> None:
        for picklist, names in words_of_a_project().items():
            for number, name in enumerate(names):
                batch.add(
                    PicklistItem,
                    id=self._id(picklist.value, number),
                    project_id=self._project.hex,
                    picklist=picklist.value,
                    name=name,
                    order_number=number,
                    **self._owned,
                )

    def _package(self, number: int, batch: Batch) -> None:
        identity = self._id("package", number)
        batch.add(
            ExecutionPackage,
            id=identity,
            project_id=self._project.hex,
            parent_id=self._id("package", number // 4 - 1) if number >= 4 else None,  # noqa: PLR2004 - four to a package
            name=texts.package_name(number),
            order_number=number,
            **self._stamped,
        )
        batch.find(ExecutionPackage, identity)

    def _test(self, number: int, batch: Batch) -> None:
        test, assignment = self._id("test", number), self._id("assignment", number)
        package = self._id("package", number % self._size.packages)
        batch.add(
            AutomatedTest,
            id=test,
            project_id=self._project.hex,
            package_id=package,
            name=texts.title(self._seed, "test", number),
            configuration=json.dumps({"Type": ("JUnit", "PHPUnit", "NUnit")[number % 3]}),
            **self._stamped,
        )
        batch.add(
            AutomatedTestAssignment,
            id=assignment,
            automated_test_id=test,
            package_id=package,
            assigned_to_id=self._user_id,
            **self._stamped,
        )
        batch.find(AutomatedTest, test)
        if not self._size.runs_per_test:  # its status is that of its last run
            batch.find(AutomatedTestAssignment, assignment)

    def _began(self, test: int, nth: int) -> datetime:
        """Return when a run began: once a day, the last one on the last day."""
        days = self._size.runs_per_test - nth
        return self._until - timedelta(days=days - 1, hours=6, seconds=test % 3600)

    def _run(self, number: int, batch: Batch) -> None:
        test, nth = divmod(number, self._size.runs_per_test)
        run, assignment = self._id("run", number), self._id("assignment", test)
        began = self._began(test, nth)
        prefix = uuid5(self._project, f"nodes of {number}").hex[:24]
        totals = Totals()
        finished = began
        cases = self._size.results_per_run
        for node, totals in texts.results(self._seed, test, nth, cases, began):  # noqa: B007 - the last
            row = staging.node_row(node, run=run, prefix=prefix)
            batch.add_node(row)
            if row[_ATTENTION]:
                batch.find(ResultNode, row[0])
            finished = node.finished_at or finished
        batch.add(
            AutomatedTestRun,
            id=run,
            assignment_id=assignment,
            import_id=run,
            stage=Stage.SHOWN.value,
            run_by_id=self._user_id,
            status=totals.status.value,
            staged_at=stored_moment(finished),
            imported_at=stored_moment(finished + timedelta(seconds=40)),
            started_at=stored_moment(began),
            finished_at=stored_moment(finished),
            errors=totals.errors,
            failed=totals.failed,
            skipped=totals.skipped,
            passed=totals.passed,
            warnings=totals.warnings,
            total_results=totals.results,
            total_nodes=totals.nodes,
            **self._owned,
        )
        batch.find(AutomatedTestRun, run)
        if nth == self._size.runs_per_test - 1:
            batch.find(AutomatedTestAssignment, assignment)

    def _script(self, number: int, batch: Batch) -> None:
        script, run = self._id("script", number), self._id("script run", number)
        assignment = self._id("script assignment", number)
        steps = texts.steps(self._seed, "script", number)
        outcomes = texts.outcomes(self._seed, "script", number)
        batch.add(
            Script,
            id=script,
            project_id=self._project.hex,
            name=texts.title(self._seed, "script", number),
            steps=json.dumps(
                [
                    {"description": does, "data": None, "notes": None, "expected_result": expects}
                    for does, expects in steps
                ]
            ),
            **self._stamped,
        )
        batch.add(
            ScriptAssignment,
            id=assignment,
            script_id=script,
            package_id=self._id("package", number % self._size.packages),
            assigned_to_id=self._user_id,
            **self._stamped,
        )
        batch.add(
            ScriptRun,
            id=run,
            assignment_id=assignment,
            status=summed_up(outcomes, completed=True),
            completed=True,
            actual_duration=f"00:{number % 60:02}:30",
            created_by_id=self._user_id,
            run_by_id=self._user_id,
            last_updated_by_id=self._user_id,
            **self._stamped,
        )
        for place, ((does, expects), outcome) in enumerate(zip(steps, outcomes, strict=True)):
            batch.add(
                StepResult,
                id=self._id(f"steps {number}", place),
                run_id=run,
                position=place,
                description=does,
                expected_result=expects,
                actual_result="See the screenshot" if outcome == "Failed" else None,
                outcome=outcome,
            )
        del self._prefixes[f"steps {number}"]
        for model, identity in ((Script, script), (ScriptAssignment, assignment), (ScriptRun, run)):
            batch.find(model, identity)

    def _agile_run(self, number: int, batch: Batch) -> None:
        run = self._id("agile run", number)
        outcomes = texts.outcomes(self._seed, "agile", number)
        batch.add(
            AgileRun,
            id=run,
            project_id=self._project.hex,
            package_id=self._id("package", number % self._size.packages),
            number=number + 1,
            name=texts.title(self._seed, "agile", number),
            objective="Explore what the release notes promise",
            estimated_duration="00:30:00",
            execution_status=summed_up(outcomes),
            priority_id=self._word(Picklist.PRIORITY, number),
            status_id=self._word(Picklist.STATUS, number),
            type_id=self._word(Picklist.TEST_TYPE, number),
            assigned_to_id=self._user_id,
            **self._stamped,
        )
        steps = texts.steps(self._seed, "agile", number)
        for place, ((does, expects), outcome) in enumerate(zip(steps, outcomes, strict=True)):
            batch.add(
                AgileRunStep,
                id=numbered_id(uuid5(self._project, f"agile steps {number}"), place),
                run_id=run,
                position=place,
                description=does,
                expected_result=expects,
                result=outcome,
            )
        batch.find(AgileRun, run)

    def _word(self, picklist: Picklist, number: int) -> str:
        return self._id(picklist.value, number % len(DEFAULTS[picklist]))

    def _incident(self, number: int, batch: Batch) -> None:
        incident = self._id("incident", number)
        chance = texts.rng(self._seed, "incident", number)
        status, kind, priority = (
            self._id(picklist.value, chance.randrange(len(DEFAULTS[picklist])))
            for picklist in _INCIDENTS
        )
        batch.add(
            Incident,
            id=incident,
            project_id=self._project.hex,
            number=number + 1,
            summary=texts.title(self._seed, "incident", number).replace(" is ", " is not "),
            description="Found while testing; see what it is linked with.",
            status_id=status,
            type_id=kind,
            priority_id=priority,
            assigned_to_id=self._user_id,
            created_by_id=self._user_id,
            last_updated_by_id=self._user_id,
            **self._stamped,
        )
        self._picks(number, incident, batch)
        batch.find(Incident, incident)
        link = {"id": self._id("link", number), "incident_id": incident, "created_at": self._moment}
        if self._size.runs:
            self._link_with_node(number, link, batch)
        elif self._size.agile_runs:
            self._link_with_step(number, link, batch)

    def _picks(self, number: int, incident: str, batch: Batch) -> None:
        """Let an incident pick a component and a version; some were mended in the next one."""
        version = number % (len(texts.VERSIONS) - 1)
        picks = [
            (PickedAs.AFFECTED_VERSION, Picklist.VERSION, version),
            (PickedAs.COMPONENT, Picklist.COMPONENT, number % len(texts.COMPONENTS)),
        ]
        if number % texts.MENDED == 0:
            picks.append((PickedAs.FIXED_VERSION, Picklist.VERSION, version + 1))
        for picked_as, picklist, place in picks:
            batch.add(
                IncidentPick,
                id=self._id(picked_as.value, number),
                incident_id=incident,
                picked_as=picked_as.value,
                item_id=self._id(picklist.value, place),
            )

    def _link_with_node(self, number: int, link: dict[str, Any], batch: Batch) -> None:
        """Link an incident with a failed node of a run, if that has one early."""
        run = number * max(self._size.runs // self._size.incidents, 1) % self._size.runs
        test, nth = divmod(run, self._size.runs_per_test)
        began = self._began(test, nth)
        nodes = texts.results(self._seed, test, nth, self._size.results_per_run, began)
        for node, _ in nodes:
            if node.is_case and node.status in {Status.FAILED, Status.ERROR}:
                prefix = uuid5(self._project, f"nodes of {run}")
                batch.add(
                    ResultNodeIncident,
                    counted=False,
                    run_id=self._id("run", run),
                    node_id=numbered_id(prefix, node.position),
                    **link,
                )
                return
            if node.position > _LOOKED_AT:
                return

    def _link_with_step(self, number: int, link: dict[str, Any], batch: Batch) -> None:
        """Link an incident with the failed step of an agile run, if that has one."""
        run = number % self._size.agile_runs
        outcomes = texts.outcomes(self._seed, "agile", run)
        if "Failed" in outcomes:
            steps = uuid5(self._project, f"agile steps {run}")
            batch.add(
                AgileRunStepIncident,
                counted=False,
                step_id=numbered_id(steps, outcomes.index("Failed")),
                **link,
            )


#: Where `needs_attention` stands in a node's row.
_ATTENTION: Final = 9
