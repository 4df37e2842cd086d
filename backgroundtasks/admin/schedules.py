"""Schedules: when tasks run again and again; edited, paused and run here."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.admin import filters, looks, scope
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.cron_words import in_words
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Schedule
from backgroundtasks.operations import Timing

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

_TIMING = tuple(field.name for field in fields_of(Timing))


class ScheduleForm(forms.ModelForm):
    """When; refused as the operation refuses it, at the field that is wrong."""

    class Meta:
        model = Schedule
        fields = _TIMING
        help_texts = {
            "expression": "Quartz cron, in UTC: second, minute, hour, day of month, month, "
            "day of week. 0 0 4 ? * MON-FRI",
            "max_runs": "none: no limit",
            "overlap": "when the run before has not finished",
            "missed": "after times at which no worker command was there",
        }

    def clean(self) -> dict[str, Any]:
        """Ask the operation whether these times make a schedule."""
        given = super().clean() or {}
        if not self.errors:
            try:
                operations.check_timing(self.instance, Timing(**given))
            except exceptions.ScheduleInvalid as error:
                for name, text in error.problems.items():
                    self.add_error(name, text)
        return given


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """Lists of one account, oldest first; a task is scheduled on the page that starts one."""

    form = ScheduleForm
    list_display = (
        "name",
        "task_type",
        "expression",
        "state",
        "next",
        "last",
        "runs_made",
        "owner",
    )
    list_filter = (filters.AccountFilter, "state")
    ordering = ("created_at", "pk")
    actions = ("pause", "resume", "run_now", "delete")
    readonly_fields = (
        *("name", "id", "task_type", "account", "owner", "state", "why", "words", "next", "last"),
        *("runs_made", "generation", "changed", "labelled", "works_on", "masked", "runs"),
    )
    fields = (*readonly_fields[:10], *_TIMING, *readonly_fields[10:])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may try to change schedules; the task type has its permissions too."""
        return bool(request.user.has_perm("backgroundtasks.change_schedule"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say in the title whose schedules these are."""
        title = {"title": f"Schedules of {scope.actor(request).account}"}
        return super().changelist_view(request, title | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Return the visible schedules of the chosen account."""
        return queries.visible_schedules(scope.actor(request))

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Schedule | None:
        """Return a schedule of any account that the user may look into."""
        try:
            task_id = Schedule._meta.pk.to_python(object_id)  # noqa: SLF001 - documented API
            user = scope.user_of(request)
            actor = queries.operator_on_schedule(user, task_id, origin=scope.ORIGIN)
            return queries.get_schedule(actor, task_id)
        except (ValidationError, exceptions.ScheduleNotFound):
            return None

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: Any) -> None:
        """Edit it by the operation, with the user's permissions."""
        try:
            operations.edit_schedule(self._actor(request, obj.pk), obj.pk, **form.cleaned_data)
        except exceptions.TaskCenterError as error:
            messages.error(request, str(error))

    def _actor(self, request: HttpRequest, task_id: UUID) -> Any:
        return queries.operator_on_schedule(scope.user_of(request), task_id, origin=scope.ORIGIN)

    # --- what is shown ---------------------------------------------------------------------------

    @admin.display(description="in words")
    def words(self, schedule: Schedule) -> str:
        return looks.text(in_words(schedule.expression))

    @admin.display(description="task")
    def name(self, schedule: Schedule) -> str:
        return str(schedule.task)

    @admin.display(description="id")
    def id(self, schedule: Schedule) -> str:
        return str(schedule.pk)

    @admin.display(description="type")
    def task_type(self, schedule: Schedule) -> str:
        return schedule.task.task_type

    @admin.display(description="owner")
    def owner(self, schedule: Schedule) -> str:
        return str(schedule.task.owner or looks.NOTHING)

    @admin.display(description="next time")
    def next(self, schedule: Schedule) -> str:
        return looks.moment(schedule.next_at)

    @admin.display(description="last time")
    def last(self, schedule: Schedule) -> str:
        return looks.moment(schedule.last_at)

    @admin.display(description="problem")
    def why(self, schedule: Schedule) -> str:
        return looks.text(schedule.problem)

    @admin.display(description="edited")
    def changed(self, schedule: Schedule) -> str:
        return looks.moment(schedule.updated_at)

    @admin.display(description="labels")
    def labelled(self, schedule: Schedule) -> str:
        return looks.labels(schedule.task.labels)

    @admin.display(description="works on")
    def works_on(self, schedule: Schedule) -> str:
        return looks.resource(schedule.task.resource)

    @admin.display(description="parameters")
    def masked(self, schedule: Schedule) -> str:
        return looks.code(secrets.mask(schedule.task.parameters))

    @admin.display(description="runs")
    def runs(self, schedule: Schedule) -> str:
        return looks.table(
            ("Run", "State", "Due", "Queued", "Finished", "Error"),
            [
                (
                    looks.run_link(run.pk),
                    looks.state(run.state),
                    looks.moment(run.scheduled_for),
                    looks.moment(run.queued_at),
                    looks.moment(run.finished_at),
                    looks.text(run.error),
                )
                for run in schedule.task.runs.order_by("-position")[:50]
            ],
        )

    # --- what is done ----------------------------------------------------------------------------

    @admin.action(description="Pause the chosen schedules", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._over(request, queryset, operations.pause_schedule, "is paused; what runs, runs on.")

    @admin.action(description="Resume the chosen schedules", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._over(request, queryset, operations.resume_schedule, "goes on.")

    @admin.action(description="Run the chosen ones now", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._over(request, queryset, operations.run_schedule_now, "is queued now, too.")

    @admin.action(description="Delete the chosen schedules", permissions=["change"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self._over(request, queryset, operations.delete_schedule, "is deleted.")

    def _over(
        self,
        request: HttpRequest,
        chosen: QuerySet[Schedule],
        do: Callable[[Any, UUID], Any],
        words: str,
    ) -> None:
        """Do it to each with the user's permissions, and say what became of it."""
        for schedule in chosen:
            try:
                do(self._actor(request, schedule.pk), schedule.pk)
            except exceptions.TaskCenterError as error:
                messages.error(request, f"{schedule.task}: {error}")
            else:
                messages.success(request, format_html("{} {}", schedule.task, words))
