"""Have a task run again and again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from backgroundtasks import clock, exceptions, queries, scheduling
from backgroundtasks.cron import CronInvalid
from backgroundtasks.handlers import permissions, registry, secrets, storable
from backgroundtasks.lifecycle import arrows, flushing
from backgroundtasks.models import Missed, Overlap, Schedule, ScheduleState, Task, TaskStatus
from backgroundtasks.operations import editions
from backgroundtasks.operations.cancel import require_control
from backgroundtasks.operations.submit import (
    Submission,
    checked_labels,
    hold_task,
    new_run,
    store_run,
)
from backgroundtasks.states import HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from backgroundtasks.handlers import Actor

#: The `origin` of tasks that were made to run again and again.
SCHEDULE: Final = "schedule"
_LONGEST: Final = 200
_MOST_RUNS: Final = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule fires; the fields of `Schedule` of the same names."""

    expression: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    max_runs: int | None = None
    overlap: str = Overlap.SKIP.value
    missed: str = Missed.ONCE.value


def create_schedule(
    actor: Actor,
    task_type: str,
    parameters: dict[str, Any],
    timing: Timing,
    *,
    title: str = "",
    labels: Mapping[str, str] | None = None,
) -> Schedule:
    """
    Make a task that runs at the times of `timing`, for its owner: the actor.

    Raises:
        TaskTypeUnknown, PermissionRefused, ParametersInvalid, LabelsInvalid: nothing was stored.
        SubmissionRefused, SubmissionFailed: the handler's own check refused.
        ScheduleInvalid: the times make no schedule, or it would never fire.
    """
    handler = registry.get(task_type)
    permissions.require(handler.permissions, actor, f"start {handler.task_type}")
    validated = handler.validated(parameters)
    handler.check_submission(actor, validated)
    resource = handler.resource(validated)
    task = Task(
        account=actor.account,
        owner=actor.user,
        task_type=handler.task_type,
        title=title[:200],
        parameters=handler.stored(validated),
        origin=SCHEDULE,
        labels=checked_labels(labels) or {},
        resource=None if resource is None else asdict(resource),
    )
    schedule = Schedule(task=task, account=actor.account, **asdict(timing))
    _arm(schedule)
    with transaction.atomic():
        task.save(force_insert=True)
        schedule.save(force_insert=True)
    return schedule


def edit_schedule(
    actor: Actor,
    task_id: UUID,
    *,
    title: str | None = None,
    parameters: dict[str, Any] | None = None,
    merge: bool = False,
    labels: Mapping[str, str] | None = None,
    active: bool | None = None,
    retime: Callable[[Schedule], Mapping[str, Any]] | None = None,
    **timing: Any,
) -> Schedule:
    """
    Change a schedule from its next time on; what is None, or not given, stays.

    Args:
        actor: Who asks.
        task_id: The schedule's task.
        title: For people.
        parameters: All of them, as for a submission; a secret may be `********` to stay.
        merge: Those parameters that change; None takes one away.
        labels: All of them.
        active: Let it fire, or pause it.
        retime: Returns fields of `Timing`, for who changes a part of one: it is given the
            schedule as it is at that moment. May raise what it likes; nothing is changed then.
        **timing: Fields of `Timing`; here None is a value.

    Raises:
        ScheduleNotFound: unknown, deleted or invisible.
        PermissionRefused: only who may start the type may edit a schedule of it.
        ParametersInvalid, LabelsInvalid, ScheduleInvalid: nothing was changed.
        SubmissionRefused, SubmissionFailed: the handler's own check refused.
    """
    replaced: dict[str, Any] = {}
    if parameters is not None:
        replaced = _check_parameters(actor, task_id, parameters, merge=merge)
    with transaction.atomic():
        schedule = _locked(actor, task_id, "edit its schedule")
        editions.keep(schedule)
        task = schedule.task
        if title is not None:
            task.title = title[:200]
        if labels is not None:
            task.labels = checked_labels(labels) or {}
        if parameters is not None:
            handler = registry.get(task.task_type)
            validated = handler.validated(_asked_for(task, parameters, merge=merge))
            validated = {
                name: value
                for name, value in {**validated, **replaced}.items()
                if value is not None or name not in replaced
            }
            resource = handler.resource(validated)
            task.parameters = handler.stored(validated)
            task.resource = None if resource is None else asdict(resource)
        if retime is not None:
            timing = {**timing, **retime(schedule)}
        _retime(schedule, timing, active=active)
        _edited(schedule)
        task.save()
        schedule.save()
    return schedule


def _check_parameters(
    actor: Actor, task_id: UUID, parameters: dict[str, Any], *, merge: bool
) -> dict[str, Any]:
    """
    Ask the handler, outside of any transaction of ours, as before a submission.

    Returns:
        What its check put in the place of parameters; None for one that it took out.
    """
    task = queries.get_schedule(actor, task_id).task
    require_control(actor, task.task_type, "edit its schedule")
    handler = registry.get(task.task_type)
    asked = handler.validated(_asked_for(task, parameters, merge=merge))
    checked = dict(asked)
    handler.check_submission(actor, checked)
    return {
        name: checked.get(name)
        for name in asked.keys() | checked.keys()
        if checked.get(name) != asked.get(name)
    }


def _asked_for(task: Task, parameters: dict[str, Any], *, merge: bool) -> dict[str, Any]:
    """Return all parameters that a task is asked to have; secrets are open."""
    asked: dict[str, Any] = secrets.restored(parameters, task.parameters)
    if merge:
        asked = {**secrets.unseal(task.parameters), **asked}
        asked = {name: value for name, value in asked.items() if value is not None}
    return asked


def _retime(schedule: Schedule, timing: Mapping[str, Any], *, active: bool | None) -> None:
    """
    Give a schedule other times, and let it fire or not.

    Without either, a time that is due is still fired.
    """
    now = {field.name: getattr(schedule, field.name) for field in fields(Timing)}
    for name, value in asdict(replace(Timing(**now), **timing)).items():
        setattr(schedule, name, value)
    again = bool(timing) or schedule.state == ScheduleState.BROKEN
    paused = schedule.state == ScheduleState.PAUSED
    if active is not None and active == paused:
        paused, again = not active, True
    elif active and schedule.state == ScheduleState.COMPLETED:
        again = True
    if not again:
        return
    schedule.state = ScheduleState.PAUSED if paused else ScheduleState.ACTIVE
    schedule.problem = ""
    _arm(schedule)


def check_timing(schedule: Schedule, timing: Timing) -> None:
    """
    Refuse times that a schedule could not be given; nothing is stored.

    Raises:
        ScheduleInvalid: names what is wrong.
    """
    kept = {name: getattr(schedule, name) for name in ("runs_made", "state")}
    _arm(Schedule(**kept, **asdict(timing)))


def pause_schedule(actor: Actor, task_id: UUID) -> Schedule:
    """
    Stop a schedule; a run of it that is queued or under way goes on.

    Raises:
        ScheduleNotFound, PermissionRefused: as for an edit.
        ScheduleConflict: it is completed or broken: it does not fire anyway.
    """
    with transaction.atomic():
        schedule = _locked(actor, task_id, "pause its schedule")
        if schedule.state == ScheduleState.PAUSED:
            return schedule
        if schedule.state != ScheduleState.ACTIVE:
            raise exceptions.ScheduleConflict(
                f"The schedule is {schedule.state}: there is nothing to pause."
            )
        schedule.state, schedule.next_at = ScheduleState.PAUSED, None
        _edited(schedule)
        schedule.save()
    return schedule


def resume_schedule(actor: Actor, task_id: UUID) -> Schedule:
    """
    Let a paused or broken schedule fire again, from its next time on: nothing is made up for.

    Raises:
        ScheduleNotFound, PermissionRefused: as for an edit.
        ScheduleInvalid: it would never fire (any more); a completed one needs an edit.
    """
    with transaction.atomic():
        schedule = _locked(actor, task_id, "resume its schedule")
        if schedule.state == ScheduleState.ACTIVE:
            return schedule
        schedule.state, schedule.problem = ScheduleState.ACTIVE, ""
        _arm(schedule)
        _edited(schedule)
        schedule.save()
    return schedule


def delete_schedule(actor: Actor, task_id: UUID) -> None:
    """
    Delete a schedule; its finished runs go with the next flush, queued ones are not begun.

    Raises:
        ScheduleNotFound, PermissionRefused: as for an edit.
        ScheduleConflict: the installation needs it, or a worker has a run of it.
    """
    with transaction.atomic():
        schedule = _locked(actor, task_id, "delete its schedule")
        if schedule.protected:
            raise exceptions.ScheduleConflict(
                "The installation needs this schedule: pause it instead."
            )
        if TaskStatus.objects.filter(task_id=task_id, state__in=HELD).exists():
            raise exceptions.ScheduleConflict("A run of it is under way: cancel it first.")
        schedule.delete()
        arrows.cancel_unheld(
            TaskStatus.objects.filter(task_id=task_id),
            reason=f"{actor.user.get_username()} deleted its schedule.",
            retention=timedelta(0),
        )
    flushing.expire_runs_of(task_id)
    flushing.drop_idle_tasks([task_id])


def run_schedule_now(actor: Actor, task_id: UUID) -> Submission:
    """
    Run a schedule's task now, beside its times.

    Raises:
        ScheduleNotFound: unknown, deleted or invisible.
        TaskTypeUnknown: its handler is gone.
        PermissionRefused: only who may start the type may do this.
        ExclusiveRunExists: as for a submission.
    """
    schedule = queries.get_schedule(actor, task_id)
    task = schedule.task
    require_control(actor, task.task_type, "run it now")
    handler = registry.get(task.task_type)
    run = new_run(actor, handler, secrets.unseal(task.parameters))
    run = replace(run, task_id=task.pk, owner_id=task.owner_id, labels=task.labels)
    with transaction.atomic():
        if not hold_task(task_id):
            raise exceptions.ScheduleNotFound(task_id)
        submission = store_run(actor, handler, run, None, with_task=False)
        Schedule.objects.filter(pk=task_id).update(last_run_id=submission.run_id)
    return submission


def _locked(actor: Actor, task_id: UUID, what: str) -> Schedule:
    """Return a schedule that nobody else changes until the transaction ends."""
    queries.get_schedule(actor, task_id)
    # The task too: PostgreSQL reads again, after a wait, only what it locks.
    rows_of = Schedule.objects.select_related("task").select_for_update(of=("self", "task"))
    schedule = rows_of.filter(pk=task_id).first()
    if schedule is None:
        raise exceptions.ScheduleNotFound(task_id)
    require_control(actor, schedule.task.task_type, what)
    return schedule


def _edited(schedule: Schedule) -> None:
    schedule.generation += 1
    schedule.updated_at = clock.now()


def _arm(schedule: Schedule) -> None:
    """
    Set the next time of a schedule from now on.

    Raises:
        ScheduleInvalid: there is none.
    """
    problems = _problems(schedule)
    if not problems:
        try:
            schedule.next_at = scheduling.first_time(schedule, clock.now())
        except CronInvalid as error:
            problems["expression"] = str(error)
        else:
            if schedule.next_at is None:
                problems["expression"] = "Never fires within its start and end."
    if problems:
        raise exceptions.ScheduleInvalid(problems)
    if schedule.state == ScheduleState.PAUSED:
        schedule.next_at = None


def _problems(schedule: Schedule) -> dict[str, str]:
    """Return what is wrong with the fields of a schedule, but for its expression's language."""
    problems: dict[str, str] = {}
    if storable.problem(schedule.expression) or len(schedule.expression) > _LONGEST:
        problems["expression"] = "Is no cron expression."
    if schedule.starts_at and schedule.ends_at and schedule.ends_at < schedule.starts_at:
        problems["ends_at"] = "Lies before the start."
    if schedule.max_runs is not None:
        if not 1 <= schedule.max_runs <= _MOST_RUNS:
            problems["max_runs"] = f"Is a number of 1 to {_MOST_RUNS}, or none for no limit."
        elif schedule.runs_made >= schedule.max_runs:
            problems["max_runs"] = f"It has run {schedule.runs_made} times already."
    for name, choices in (("overlap", Overlap), ("missed", Missed)):
        if getattr(schedule, name) not in choices.values:
            problems[name] = f"Is one of {', '.join(choices.values)}."
    return problems
