"""Queues: pause and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils.html import format_html

from backgroundtasks import operations, queries
from backgroundtasks.admin import looks
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.models import Queue

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """Only who may change queues may pause them: that stops other people's work."""

    list_display = ("name", "condition", "queued", "oldest")
    ordering = ("name",)
    actions = ("pause", "resume")
    fields = ("name", "condition", "queued", "oldest")
    readonly_fields = fields

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the user may pause and resume: Django's permission to change queues."""
        return bool(request.user.has_perm("backgroundtasks.change_queue"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List every queue that a handler, a run or a pause knows."""
        operations.know_queues(queue.name for queue in queries.queue_health())
        return super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        """Return the queues, and keep how they are doing for the columns."""
        self._health = {queue.name: queue for queue in queries.queue_health()}
        return super().get_queryset(request)

    @admin.display(description="condition")
    def condition(self, queue: Queue) -> str:
        if queue.paused_at is None:
            return "open"
        return format_html("paused since {}", looks.moment(queue.paused_at))

    @admin.display(description="queued runs")
    def queued(self, queue: Queue) -> int:
        return self._health[queue.name].queued if queue.name in self._health else 0

    @admin.display(description="oldest runnable run waits")
    def oldest(self, queue: Queue) -> str:
        known = self._health.get(queue.name)
        return looks.span(known.oldest if known else None)

    @admin.action(description="Pause the chosen queues", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Queue]) -> None:
        for queue in queryset:
            done = operations.pause_queue(queue.name)
            words = "is paused; what runs, runs on" if done else "was paused already"
            messages.success(request, f"The queue {queue.name} {words}.")

    @admin.action(description="Resume the chosen queues", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Queue]) -> None:
        for queue in queryset:
            done = operations.resume_queue(queue.name)
            messages.success(
                request, f"The queue {queue.name} {'goes on' if done else 'was not paused'}."
            )
