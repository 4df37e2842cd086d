"""Running a script by hand: a run begins, its steps get results, it is completed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from indexing import documents
from tickets import custom_fields, removal
from tickets.models import FieldOf, Outcome, ScriptAssignment, ScriptRun, StepResult
from tickets.models.outcome import summed_up

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from django.contrib.auth.models import User

_AS_IT_IS: Final[Any] = object()


class AssignmentGone(Exception):
    """The assignment was removed meanwhile."""


class RunGone(Exception):
    """The run was removed meanwhile."""


class RunRefused(Exception):
    """The run does not take this; the text is for people."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a step."""

    #: None: as it is.
    outcome: Outcome | None
    actual_result: str | None
    #: False: the actual result is as it is.
    says_actual_result: bool = True


def begin(assignment: ScriptAssignment, user: User) -> tuple[UUID, bool]:
    """
    Return the run of an assignment that is under way, and whether it began now.

    Raises:
        AssignmentGone: somebody removed it.
    """
    with transaction.atomic():
        # One at a time, so that of two at one moment the second finds the first one's run.
        held = (
            ScriptAssignment.objects.select_for_update(no_key=True)
            .filter(pk=assignment.pk)
            .values_list("pk", flat=True)
        )
        if held.first() is None:
            raise AssignmentGone
        runs = ScriptRun.objects.filter(assignment=assignment, completed=False)
        known = runs.values_list("pk", flat=True).first()
        if known is not None:
            return known, False
        script = assignment.script
        run = ScriptRun.objects.create(
            account_id=assignment.account_id,
            assignment=assignment,
            script_version=script.version,
            created_by=user,
            last_updated_by=user,
        )
        StepResult.objects.bulk_create(
            StepResult(run=run, position=position, **step)
            for position, step in enumerate(script.steps)
        )
        _index(run)
    return run.pk, True


def record(
    run_id: UUID,
    user: User,
    results: Mapping[UUID, Result],
    *,
    complete: bool = False,
    duration: str | None = _AS_IT_IS,
    field_values: Mapping[str, Any] | None = None,
) -> None:
    """
    Store what came of steps, all or nothing.

    Args:
        run_id: Of the script's run.
        user: Who says so.
        results: By the ids of the run's steps.
        complete: Complete it although steps were not run.
        duration: How long it took, in whatever words; left out: as it is.
        field_values: By the names of custom fields; what is left out stays.

    Raises:
        RunGone: there is no such run.
        RunRefused: it is completed already, a step is not its own, nothing was run, or a custom
            field does not take its value.
    """
    with transaction.atomic():
        run = (
            ScriptRun.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk=run_id)
            .select_related("assignment__script")
            .first()
        )
        if run is None:
            raise RunGone
        if results:
            _store(run, results)
            run.run_by = user
        if not run.completed:
            outcomes = list(run.step_results.values_list("outcome", flat=True))
            _complete(run, outcomes, asked=complete)
            run.status = summed_up(outcomes, completed=run.completed)
        if field_values:
            run.field_values = _noted(run, field_values)
        if duration is not _AS_IT_IS:
            run.actual_duration = duration
        run.last_updated_by = user
        run.save()
        _index(run)


def remove_script_run(run: ScriptRun) -> None:
    """Remove a run with its steps and their links; their incidents stay."""
    removal.finish(removal.remove(ScriptRun.objects.filter(pk=run.pk)))
    # An assignment's status is that of its last run.
    documents.index(ScriptAssignment, [run.assignment_id])


def _store(run: ScriptRun, results: Mapping[UUID, Result]) -> None:
    if run.completed:
        raise RunRefused("The run is completed: its step results do not change any more.")
    # Held in the order of their ids, as whoever holds several does: no two wait for each other.
    held = run.step_results.select_for_update(no_key=True).order_by("pk")
    steps = {step.pk: step for step in held.filter(pk__in=list(results))}
    for step_id, result in results.items():
        step = steps.get(step_id)
        if step is None:
            raise RunRefused(f"The run has no step result {step_id}.")
        if result.outcome is not None:
            step.outcome = result.outcome
        if result.says_actual_result:
            step.actual_result = result.actual_result
    StepResult.objects.bulk_update(steps.values(), ["outcome", "actual_result"])


def _noted(run: ScriptRun, given: Mapping[str, Any]) -> dict[str, Any] | None:
    project_id = run.assignment.script.project_id
    fields = custom_fields.Fields(run.account_id, FieldOf.SCRIPT_RUN, [project_id])
    try:
        return fields.merged(project_id, run.field_values, given)
    except custom_fields.ValueInvalid as error:
        raise RunRefused(f"FieldValues: {error}") from None


def _complete(run: ScriptRun, outcomes: list[str], *, asked: bool) -> None:
    """Complete a run whose steps were all run; when asked for, one of which some were."""
    left = outcomes.count(Outcome.NOT_RUN)
    if asked and outcomes and left == len(outcomes):
        raise RunRefused("No step was run: there is nothing to complete.")
    run.completed = asked or (bool(outcomes) and not left)


def _index(run: ScriptRun) -> None:
    documents.index(ScriptRun, [run.pk])
    # An assignment's status is that of its last run.
    documents.index(ScriptAssignment, [run.assignment_id])
