"""Worker processes: which live, what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.html import format_html

from backgroundtasks import clock, conf, queries
from backgroundtasks.admin import looks
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.models import Worker

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Those that beat last come first."""

    list_display = ("name", "condition", "beat", "started", "holds")
    search_fields = ("host",)
    ordering = ("-beat_at",)
    fields = ("name", "id", "condition", "started", "beat", "stopped", "holds")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        """Return the workers, and keep what they hold for the column: one query for all."""
        held: dict[object, list[str]] = {}
        for run in queries.held_runs():
            held.setdefault(run.worker_id, []).append(
                format_html(
                    "{} {}",
                    looks.link("backgroundtasks_taskstatus_change", run.task_type, run.pk),
                    looks.state(run.state),
                )
            )
        self._held = held
        return super().get_queryset(request)

    @admin.display(description="worker")
    def name(self, worker: Worker) -> str:
        return str(worker)

    @admin.display(description="condition")
    def condition(self, worker: Worker) -> str:
        if worker.stopped_at is not None:
            return "stopped"
        return "lives" if worker.beat_at > clock.now() - conf.LEASE else "gone without a word"

    @admin.display(description="last beat")
    def beat(self, worker: Worker) -> str:
        return looks.moment(worker.beat_at)

    @admin.display(description="started")
    def started(self, worker: Worker) -> str:
        return looks.moment(worker.started_at)

    @admin.display(description="stopped")
    def stopped(self, worker: Worker) -> str:
        return looks.moment(worker.stopped_at)

    @admin.display(description="holds")
    def holds(self, worker: Worker) -> str:
        return looks.lines(self._held.get(worker.pk, []))
