"""`GenerateTestProject`: a project filled with sample data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from rest_framework import serializers

from backgroundtasks import clock
from backgroundtasks.exceptions import SubmissionRefused
from backgroundtasks.handlers import (
    Actor,
    Outcome,
    TaskContext,
    TaskFailed,
    TaskHandler,
    permissions,
)
from backgroundtasks.handlers.context import Cancelled
from indexing import documents
from tickets import naming, removal, visibility
from tickets.models import Project
from tickets.samples.rows import Batch, SampleRows
from tickets.samples.size import Size
from tickets.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GENERATING: Final = "Generating sample data"
#: Entities of one project, at most.
MOST: Final = 10_000_000
#: Where the history of a project ends that names no other moment: the same data for all time.
_UNTIL: Final = datetime(2026, 6, 30, 18, tzinfo=UTC)


class GenerateTestProject(TaskHandler):
    """
    Makes a project with realistic sample data, of any size.

    The same seed, counts and `Until` give the same data, but for its ids. Nobody sees the
    project before it is complete. Its elements are rows.
    """

    task_type = "GenerateTestProject"
    permissions = (permissions.Role("member"),)
    idempotent = True
    pausable = True
    timeout = timedelta(hours=6)

    class Parameters(serializers.Serializer[Any]):
        """How much of what."""

        Name = serializers.CharField(
            max_length=255, required=False, allow_null=True, help_text="`Sample project` + seed."
        )
        Seed = serializers.IntegerField(min_value=0, max_value=2**53, default=1)
        Packages = serializers.IntegerField(min_value=1, max_value=10_000, default=10)
        AutomatedTests = serializers.IntegerField(min_value=0, max_value=100_000, default=50)
        RunsPerTest = serializers.IntegerField(min_value=0, max_value=1_000, default=3)
        ResultsPerRun = serializers.IntegerField(min_value=0, max_value=2_000, default=20)
        Scripts = serializers.IntegerField(min_value=0, max_value=100_000, default=20)
        AgileRuns = serializers.IntegerField(min_value=0, max_value=100_000, default=10)
        Incidents = serializers.IntegerField(min_value=0, max_value=100_000, default=10)
        Until = serializers.DateTimeField(
            default=_UNTIL, help_text="The moment at which the project's history ends."
        )

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Refuse more than a project may have, and a history outside of the calendar."""
            entities = _size(attrs).entities
            if entities > MOST:
                text = f"These are {entities:,} entities in all; a project may have {MOST:,}."
                raise serializers.ValidationError({"AutomatedTests": [text]})
            if (
                not datetime(1980, 1, 1, tzinfo=UTC)
                <= attrs["Until"]
                < datetime(9000, 1, 1, tzinfo=UTC)
            ):
                raise serializers.ValidationError({"Until": ["From 1980 to 8999."]})
            return attrs

    @classmethod
    def check_submission(cls, actor: Actor, parameters: dict[str, Any]) -> None:
        """Refuse the name of a project that there is."""
        if _is_taken(actor.account.pk, _name(parameters)):
            raise SubmissionRefused(_taken(_name(parameters)))

    @classmethod
    def result_members(
        cls, result: Mapping[str, Any], link: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """Return the project, and a link to it."""
        project_id = result["ProjectId"]
        return {
            "ProjectId": project_id,
            "Links": [{"Href": link("project", project_id), "Rel": "Project"}],
        }

    def perform(self, context: TaskContext, parameters: dict[str, Any]) -> Outcome:
        """Write batch after batch into a project that nobody sees, then show it."""
        size = _size(parameters)
        name = _name(parameters)
        project_id = context.run_id
        found = Project.objects.filter(pk=project_id, account_id=context.account_id).first()
        if found is not None and found.is_complete:
            # An earlier attempt came this far and died before it could say so.
            return Outcome({"ProjectId": str(project_id)})
        if _is_taken(context.account_id, name):
            self._give_up(context)
            raise TaskFailed(_taken(name))
        tally = Tally(context, lambda: size.entities, GENERATING)
        rows = SampleRows(
            parameters["Seed"],
            size,
            until=parameters["Until"],
            account_id=context.account_id,
            project_id=project_id,
            user_id=context.user_id,
        )
        try:
            if found is None:
                _begin(context, name)
                tally.advance(1)
            _fill(context, rows, tally)
        except Cancelled:
            self._give_up(context)
            raise
        try:
            _show(project_id)
        except IntegrityError:  # somebody has made one of this name since
            self._give_up(context)
            raise TaskFailed(_taken(name)) from None
        tally.end()
        removal.finish(removal.remove_unfinished(context.account_id))
        return Outcome({"ProjectId": str(project_id), "Entities": size.entities})

    def _give_up(self, context: TaskContext) -> None:
        """Remove what was written; what time is left for, a later deletion finds."""
        projects = Project.objects.filter(pk=context.run_id, is_complete=False)
        removal.finish(removal.remove_projects(projects))


def _size(parameters: Mapping[str, Any]) -> Size:
    return Size(
        packages=parameters["Packages"],
        automated_tests=parameters["AutomatedTests"],
        runs_per_test=parameters["RunsPerTest"],
        results_per_run=parameters["ResultsPerRun"],
        scripts=parameters["Scripts"],
        agile_runs=parameters["AgileRuns"],
        incidents=parameters["Incidents"],
    )


def _name(parameters: Mapping[str, Any]) -> str:
    return parameters.get("Name") or f"Sample project {parameters['Seed']}"


def _is_taken(account_id: UUID, name: str) -> bool:
    return visibility.visible_projects(account_id).filter(name__iexact=name).exists()


def _taken(name: str) -> str:
    return f"A project named {name!r} exists already."


def _begin(context: TaskContext, name: str) -> None:
    """Make the project that nobody sees yet."""
    with transaction.atomic():
        Project.objects.create(
            pk=context.run_id,
            account_id=context.account_id,
            name=name,
            description="Sample data, made by GenerateTestProject.",
            manager_id=context.user_id,
            is_complete=False,
            hidden_by=context.run_id,
        )
        documents.index(Project, [context.run_id])


def _fill(context: TaskContext, rows: SampleRows, tally: Tally) -> None:
    """Write every unit once: rows, what is found of them, and where the run is, together."""
    kind, number = context.memory.get("next", (0, 0))
    batch = Batch()
    for here, (make, many) in enumerate(rows.units):
        if here < kind:
            continue
        for unit in range(number if here == kind else 0, many):
            make(unit, batch)
            if batch.is_full:
                _write(context, batch, tally, (here, unit + 1))
                batch = Batch()
    _write(context, batch, tally, (len(rows.units), 0))


def _write(context: TaskContext, batch: Batch, tally: Tally, following: tuple[int, int]) -> None:
    with transaction.atomic():
        batch.write()
        # With the rows, or a second attempt would write them again.
        context.remember(next=following, done=tally.done + batch.entities)
    tally.advance(batch.entities)


def _show(project_id: UUID) -> None:
    with transaction.atomic():
        project = Project.objects.get(pk=project_id)
        naming.free(project.account_id, project.name)
        Project.objects.filter(pk=project_id).update(
            is_complete=True, hidden_by=None, updated_at=clock.now()
        )
        documents.index(Project, [project_id])
