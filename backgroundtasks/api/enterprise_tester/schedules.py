"""Schedules: tasks that run again and again. Ours, in the dialect's style."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rest_framework import serializers
from rest_framework.response import Response

from backgroundtasks import operations, queries
from backgroundtasks.api.enterprise_tester import run_list
from backgroundtasks.api.enterprise_tester.links import by_id, link
from backgroundtasks.api.enterprise_tester.paging import page
from backgroundtasks.api.enterprise_tester.rendering import moment
from backgroundtasks.api.enterprise_tester.resource import ResourceView
from backgroundtasks.api.enterprise_tester.started import started
from backgroundtasks.api.enterprise_tester.vocabulary import public_id
from backgroundtasks.cron_words import in_words
from backgroundtasks.handlers import secrets
from backgroundtasks.operations import Timing

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from rest_framework.request import Request

    from backgroundtasks.api.enterprise_tester.odata import Members
    from backgroundtasks.models import Schedule

#: What `$filter` and `$orderby` may name.
MEMBERS: Final[Members] = {
    "Type": "task__task_type",
    "Title": "task__title",
    "State": "state",
    "Owner": "task__owner__username",
    "NextAt": "next_at",
    "LastAt": "last_at",
    "CreatedAt": "created_at",
    "UpdatedAt": "updated_at",
}
#: The members of a body that say when, with the fields of `Timing`.
_TIMING: Final = {
    "Expression": "expression",
    "StartsAt": "starts_at",
    "EndsAt": "ends_at",
    "MaxRuns": "max_runs",
    "Overlap": "overlap",
    "Missed": "missed",
}
_MOST: Final = 2**31 - 1


class ScheduleChange(serializers.Serializer[Any]):
    """What is left out stays as it is; null takes a limit away."""

    Title = serializers.CharField(required=False, allow_blank=True, max_length=200)
    Parameters = serializers.DictField(required=False, help_text="All of them.")
    Labels = serializers.DictField(required=False, help_text="All of them: name to value.")
    Expression = serializers.CharField(
        required=False,
        max_length=200,
        help_text="Quartz cron, in UTC: second, minute, hour, day of month, month, day of week.",
    )
    StartsAt = serializers.DateTimeField(required=False, allow_null=True)
    EndsAt = serializers.DateTimeField(required=False, allow_null=True)
    MaxRuns = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=_MOST
    )
    Overlap = serializers.ChoiceField(
        choices=["skip", "queue"],
        required=False,
        help_text="When the run before has not finished.",
    )
    Missed = serializers.ChoiceField(
        choices=["once", "skip"],
        required=False,
        help_text="After times at which nobody could start a run.",
    )


class ScheduleWrite(ScheduleChange):
    """A task and its times."""

    Type = serializers.CharField(max_length=100, help_text="In any letter case.")
    Expression = serializers.CharField(
        max_length=200,
        help_text="Quartz cron, in UTC: second, minute, hour, day of month, month, day of week.",
    )


class Schedules(ResourceView):
    """Make a schedule; list those that there are."""

    #: Each handler says who may start it.
    write_role: ClassVar[str | None] = None

    def get(self, request: Request) -> Response:
        """Return a page of the schedules that the caller may see, oldest first."""
        schedules = queries.visible_schedules(self.actor)
        return page(
            request, schedules, lambda one: shown(request, one), MEMBERS, order=("created_at",)
        )

    def post(self, request: Request) -> Response:
        """Make a task that runs at the times of an expression; the caller owns its runs."""
        given = self.read(ScheduleWrite)
        schedule = operations.create_schedule(
            self.actor,
            given["Type"],
            given.get("Parameters", {}),
            Timing(**_timing(given)),
            title=given.get("Title", ""),
            labels=given.get("Labels"),
        )
        body = shown(request, schedule)
        return Response(body, 201, headers={"Location": body["Self"]})


class ScheduleById(ResourceView):
    """One schedule; its id is its task's."""

    write_role: ClassVar[str | None] = None

    def get(self, request: Request, schedule_id: UUID) -> Response:
        """Return the schedule."""
        return Response(shown(request, queries.get_schedule(self.actor, schedule_id)))

    def put(self, request: Request, schedule_id: UUID) -> Response:
        """Change the schedule from its next time on; members that are left out stay as they are."""
        given = self.read(ScheduleChange)
        schedule = operations.edit_schedule(
            self.actor,
            schedule_id,
            title=given.get("Title"),
            parameters=given.get("Parameters"),
            labels=given.get("Labels"),
            **_timing(given),
        )
        return Response(shown(request, schedule))

    def delete(self, request: Request, schedule_id: UUID) -> Response:
        """Delete the schedule, and its runs with the next flush; 409 while one is under way."""
        operations.delete_schedule(self.actor, schedule_id)
        return Response(status=204)


class PauseSchedule(ResourceView):
    """Stop a schedule's times; what runs, runs on."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Return the schedule as it is then; 409 when it does not fire anyway."""
        return Response(shown(request, operations.pause_schedule(self.actor, schedule_id)))


class ResumeSchedule(ResourceView):
    """Let a paused or broken schedule fire again; nothing is made up for."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Return the schedule with its next time."""
        return Response(shown(request, operations.resume_schedule(self.actor, schedule_id)))


class RunSchedule(ResourceView):
    """Run a schedule's task now, beside its times."""

    write_role: ClassVar[str | None] = None

    def post(self, request: Request, schedule_id: UUID) -> Response:
        """Start the run: 202 and its `Location`."""
        return started(request, operations.run_schedule_now(self.actor, schedule_id))


class RunsOfSchedule(ResourceView):
    """The runs that a schedule made."""

    def get(self, request: Request, schedule_id: UUID) -> Response:
        """Return a page of them, newest first; `NextLink` leads to the next one."""
        queries.get_schedule(self.actor, schedule_id)
        return Response(run_list.of_task(request, self.actor, schedule_id))


def shown(request: Request, schedule: Schedule) -> dict[str, Any]:
    """Return the representation of a schedule that was read with its task and its owner."""
    task = schedule.task
    last = schedule.last_run_id
    return {
        "Id": str(task.pk),
        "Type": task.task_type,
        "Title": task.title or None,
        "Owner": task.owner.get_username() if task.owner else None,
        "Parameters": secrets.mask(task.parameters),
        "Labels": dict(sorted(task.labels.items())),
        "Expression": schedule.expression,
        "InWords": in_words(schedule.expression) or None,
        "StartsAt": _moment(schedule.starts_at),
        "EndsAt": _moment(schedule.ends_at),
        "MaxRuns": schedule.max_runs,
        "Overlap": schedule.overlap,
        "Missed": schedule.missed,
        "State": schedule.state,
        "Problem": schedule.problem or None,
        "NextAt": _moment(schedule.next_at),
        "LastAt": _moment(schedule.last_at),
        "LastRun": by_id(request, "backgroundtask", public_id(task.task_type, last))
        if last
        else None,
        "RunsMade": schedule.runs_made,
        "Generation": schedule.generation,
        "CreatedAt": moment(schedule.created_at),
        "UpdatedAt": moment(schedule.updated_at),
        "Runs": link(request, "backgroundtaskschedule-runs", schedule_id=task.pk),
        "Self": link(request, "backgroundtaskschedule", schedule_id=task.pk),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else moment(at)


def _timing(given: dict[str, Any]) -> dict[str, Any]:
    return {field: given[name] for name, field in _TIMING.items() if name in given}
