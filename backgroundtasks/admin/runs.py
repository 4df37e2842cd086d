"""Runs: what was done, is done, and waits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.admin import dashboard, filters, looks, scope, seen_by
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.handlers import registry, secrets
from backgroundtasks.models import TaskStatus
from backgroundtasks.states import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

#: Runs that one action may cancel or retry.
_MOST_AT_ONCE = 500
_MOST_MESSAGES = 200
_MOST_CHILDREN = 50
_RESUMABLE = (State.PAUSING, State.PAUSED)


_SECTIONS: list[tuple[str | None, tuple[str, ...]]] = [
    (None, ("shown_state", "done", "doing", "failure", "outcome", "remark")),
    ("Messages", ("said",)),
    ("Children", ("parent_run", "started_runs")),
    ("Attempts", ("tried", "interruptions")),
    ("Times", ("queued", "due", "started", "cancel_asked", "finished", "took", "expires")),
    (
        "Task",
        (
            *("of_task", "task_type", "owner", "account", "origin", "labels", "resource"),
            *("masked", "retry", "retried"),
        ),
    ),
    ("Queue", ("queue", "priority", "exclusive_key", "holder", "lease", "remembered")),
]


@admin.register(TaskStatus)
class RunAdmin(ReadOnlyAdmin):
    """Lists of one account, newest first; a run's page; cancel, pause, resume and retry."""

    list_display = ("name", "shown_state", "done", "queued", "took", "task_type", "owner", "queue")
    list_filter = (
        filters.AccountFilter,
        filters.StateFilter,
        filters.QueuedFilter,
        filters.TypeFilter,
        filters.QueueFilter,
        filters.ParentFilter,
    )
    list_select_related = ("task", "owner")
    ordering = ("-position",)
    search_fields = ("pk",)  # `get_search_results` does it all; this shows the box
    search_help_text = (
        f"An id in any spelling, or words of title, type or owner (newest {filters.WINDOW:,})"
    )
    actions = ("cancel_runs", "pause_runs", "resume_runs", "retry_runs")
    fieldsets = [(name, {"fields": fields}) for name, fields in _SECTIONS]
    readonly_fields = [field for _, fields in _SECTIONS for field in fields]

    # --- what is shown ---------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskStatus]:
        """Return the visible runs of the chosen account, by the index of what is asked for."""
        states = filters.states_of(request)
        actor = scope.actor(request)
        try:
            parent = filters.parent_of(request)
        except exceptions.RunNotFound:
            return TaskStatus.objects.none()
        if parent is not None:
            children = queries.visible_children(actor, parent)
            return children.filter(state__in=states) if states else children
        return queries.visible_in_states(actor, states) if states else queries.visible_runs(actor)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], search_term: str
    ) -> tuple[QuerySet[TaskStatus], bool]:
        """Find a run or a task by its id in any account, else words among the newest runs."""
        words = search_term.split()
        if not words:
            return queryset, False
        try:
            found = queries.run_id_of(search_term)
        except exceptions.RunNotFound:
            return self._with_words(request, queryset, words), False
        try:
            actor = queries.operator_on(scope.user_of(request), found, origin=scope.ORIGIN)
        except exceptions.RunNotFound:
            runs = queries.visible_runs_of_task(scope.actor(request), found)
        else:
            runs = queries.visible_runs(actor).filter(pk=found)
        return runs.select_related("task", "owner").order_by(*self.ordering), False

    def _with_words(
        self, request: HttpRequest, queryset: QuerySet[TaskStatus], words: list[str]
    ) -> QuerySet[TaskStatus]:
        """Return the newest runs that have all the words; looked for once, then known by id."""
        matching = queryset.filter(filters.recent_enough(request))
        for word in words:
            matching = matching.filter(
                Q(task__title__icontains=word)
                | Q(task_type__icontains=word)
                | Q(owner__username__icontains=word)
            )
        newest = matching.order_by(*self.ordering).values_list("pk", flat=True)
        found = super().get_queryset(request).filter(pk__in=list(newest[: filters.MOST_FOUND]))
        return found.select_related("task", "owner").order_by(*self.ordering)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> TaskStatus | None:
        """Return a run of any account that the user may look into, by its id in any spelling."""
        try:
            run_id = queries.run_id_of(object_id)
            actor = queries.operator_on(scope.user_of(request), run_id, origin=scope.ORIGIN)
            run: Any = queries.get_run(actor, run_id)
        except exceptions.RunNotFound:
            return None
        run.seen_by = actor  # for what the page reads beside it
        return cast("TaskStatus", run)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say in the title whose runs these are."""
        title = {"title": f"Runs of {scope.actor(request).account}"}
        return super().changelist_view(request, title | (extra_context or {}))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a run, with what can be done to it."""
        run = self.get_object(request, object_id)
        finished = run is not None and run.state in FINAL
        also: dict[str, Any] = {
            "may_cancel": not finished and run is not None,
            "may_pause": run is not None and _may_pause(run),
            "may_resume": run is not None and run.state in _RESUMABLE,
            "may_retry": finished,
        }
        if run is not None:
            also |= {"title": str(run.task), "subtitle": str(run.pk)}
        return super().change_view(request, object_id, form_url, also | (extra_context or {}))

    @admin.display(description="task")
    def name(self, run: TaskStatus) -> str:
        return str(run.task)

    @admin.display(description="state")
    def shown_state(self, run: TaskStatus) -> str:
        return looks.state(run.state)

    @admin.display(description="progress")
    def done(self, run: TaskStatus) -> str:
        return looks.progress(run)

    @admin.display(description="doing")
    def doing(self, run: TaskStatus) -> str:
        return looks.text(run.text)

    @admin.display(description="error")
    def failure(self, run: TaskStatus) -> str:
        hint = " (it may pass by itself)" if run.temporary else ""
        return looks.text(run.error + hint if run.error else "")

    @admin.display(description="result")
    def outcome(self, run: TaskStatus) -> str:
        return looks.code(run.result)

    @admin.display(description="messages")
    def said(self, run: TaskStatus) -> str:
        newest = list(run.messages.order_by("-pk")[:_MOST_MESSAGES])
        return looks.table(
            ("Time", "Level", "Attempt", "Message"),
            [
                (
                    looks.moment(message.created_at),
                    message.level,
                    message.attempt or looks.NOTHING,
                    looks.text(str(message)),
                )
                for message in reversed(newest)
            ],
        )

    @admin.display(description="started by")
    def parent_run(self, run: TaskStatus) -> str:
        return looks.run_link(run.parent_id) if run.parent_id else looks.NOTHING

    @admin.display(description="has started")
    def started_runs(self, run: Any) -> str:
        children = queries.first_children(run.seen_by, run.pk, _MOST_CHILDREN)
        shown = looks.table(
            ("Run", "Type", "State", "Progress", "Queued", "Finished", "Error"),
            [
                (
                    looks.run_link(child.pk),
                    child.task_type,
                    looks.state(child.state),
                    looks.progress(child),
                    looks.moment(child.queued_at),
                    looks.moment(child.finished_at),
                    looks.text(child.error),
                )
                for child in children
            ],
        )
        if len(children) < _MOST_CHILDREN:
            return shown
        address = reverse("admin:backgroundtasks_taskstatus_changelist")
        query = urlencode({scope.ACCOUNT: run.account_id, "parent": run.pk})
        return format_html('{}<p><a href="{}?{}">All of them</a></p>', shown, address, query)

    @admin.display(description="attempts")
    def tried(self, run: TaskStatus) -> str:
        return looks.table(
            ("Attempt", "Started", "Ended", "End", "Worker", "Error"),
            [
                (
                    attempt.number,
                    looks.moment(attempt.started_at),
                    looks.moment(attempt.finished_at),
                    looks.state(attempt.outcome),
                    _worker(attempt.worker_id),
                    looks.text(attempt.error),
                )
                for attempt in queries.list_attempts(run)
            ],
        )

    @admin.display(description="queued")
    def queued(self, run: TaskStatus) -> str:
        return looks.moment(run.queued_at)

    @admin.display(description="not before")
    def due(self, run: TaskStatus) -> str:
        return looks.moment(run.run_after)

    @admin.display(description="started")
    def started(self, run: TaskStatus) -> str:
        return looks.moment(run.started_at)

    @admin.display(description="cancel asked for")
    def cancel_asked(self, run: TaskStatus) -> str:
        return looks.moment(run.cancel_requested_at)

    @admin.display(description="finished")
    def finished(self, run: TaskStatus) -> str:
        return looks.moment(run.finished_at)

    @admin.display(description="took")
    def took(self, run: TaskStatus) -> str:
        if run.started_at is None or run.finished_at is None:
            return looks.NOTHING
        return looks.span(run.finished_at - run.started_at)

    @admin.display(description="kept until")
    def expires(self, run: TaskStatus) -> str:
        return looks.moment(run.expires_at)

    @admin.display(description="task")
    def of_task(self, run: TaskStatus) -> str:
        return looks.link("backgroundtasks_task_change", run.task, run.task_id)

    @admin.display(description="came through")
    def origin(self, run: TaskStatus) -> str:
        return run.task.origin

    @admin.display(description="labels")
    def labels(self, run: TaskStatus) -> str:
        return looks.labels(run.task.labels)

    @admin.display(description="works on")
    def resource(self, run: TaskStatus) -> str:
        return looks.resource(run.task.resource)

    @admin.display(description="parameters")
    def masked(self, run: TaskStatus) -> str:
        return looks.code(secrets.mask(run.task.parameters))

    @admin.display(description="retry of")
    def retry(self, run: TaskStatus) -> str:
        return looks.run_link(run.retry_of_id) if run.retry_of_id else looks.NOTHING

    @admin.display(description="retried as")
    def retried(self, run: TaskStatus) -> str:
        return looks.lines(map(looks.run_link, queries.retries_of(run)))

    @admin.display(description="worker")
    def holder(self, run: TaskStatus) -> str:
        return _worker(run.worker_id)

    @admin.display(description="lease until")
    def lease(self, run: TaskStatus) -> str:
        return looks.moment(run.lease_until)

    @admin.display(description="memory")
    def remembered(self, run: TaskStatus) -> str:
        return looks.code(run.memory)

    # --- what is done ----------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the dashboard, what a user sees, and what the buttons of a run's page do."""
        view = self.admin_site.admin_view
        return [
            path(
                "dashboard/",
                view(partial(dashboard.show, model_admin=self)),
                name="backgroundtasks_dashboard",
            ),
            path(
                "seen-by/",
                view(partial(seen_by.show, model_admin=self)),
                name="backgroundtasks_seen_by",
            ),
            path(
                "<path:object_id>/cancel/",
                view(self.cancel_view),
                name="backgroundtasks_taskstatus_cancel",
            ),
            path(
                "<path:object_id>/retry/",
                view(self.retry_view),
                name="backgroundtasks_taskstatus_retry",
            ),
            path(
                "<path:object_id>/pause/",
                view(self.pause_view),
                name="backgroundtasks_taskstatus_pause",
            ),
            path(
                "<path:object_id>/resume/",
                view(self.resume_view),
                name="backgroundtasks_taskstatus_resume",
            ),
            *super().get_urls(),
        ]

    @admin.action(description="Cancel the chosen runs", permissions=["view"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> None:
        self._over(request, queryset, self._cancel)

    @admin.action(description="Pause the chosen runs", permissions=["view"])
    def pause_runs(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> None:
        self._over(request, queryset, self._pause)

    @admin.action(description="Resume the chosen runs", permissions=["view"])
    def resume_runs(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> None:
        self._over(request, queryset, self._resume)

    @admin.action(description="Retry the chosen runs", permissions=["view"])
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[TaskStatus]) -> None:
        self._over(request, queryset, self._retry)

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel one run, and show it again."""
        return self._one(request, object_id, self._cancel)

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pause one run, and show it again."""
        return self._one(request, object_id, self._pause)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Resume one run, and show it again."""
        return self._one(request, object_id, self._resume)

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Retry one run, and show it again, with a link to the new one."""
        return self._one(request, object_id, self._retry)

    def _cancel(self, request: HttpRequest, run_id: UUID) -> str:
        """Cancel a run with the user's permissions; return what became of it."""
        actor = queries.operator_on(scope.user_of(request), run_id, origin=scope.ORIGIN)
        if operations.cancel(actor, run_id) == State.CANCELLED:
            return format_html("{} is cancelled.", looks.run_link(run_id))
        return format_html("{} stops at its next checkpoint.", looks.run_link(run_id))

    def _pause(self, request: HttpRequest, run_id: UUID) -> str:
        """Pause a run with the user's permissions; return what became of it."""
        actor = queries.operator_on(scope.user_of(request), run_id, origin=scope.ORIGIN)
        if operations.pause(actor, run_id) == State.PAUSED:
            return format_html("{} is paused.", looks.run_link(run_id))
        return format_html("{} pauses at its next safe checkpoint.", looks.run_link(run_id))

    def _resume(self, request: HttpRequest, run_id: UUID) -> str:
        """Resume a run with the user's permissions; return what became of it."""
        actor = queries.operator_on(scope.user_of(request), run_id, origin=scope.ORIGIN)
        if operations.resume(actor, run_id) == State.QUEUED:
            return format_html("{} is queued again.", looks.run_link(run_id))
        return format_html("{} runs on; it had not paused yet.", looks.run_link(run_id))

    def _retry(self, request: HttpRequest, run_id: UUID) -> str:
        """Retry a run with the user's permissions; return what became of it."""
        actor = queries.operator_on(scope.user_of(request), run_id, origin=scope.ORIGIN)
        again = operations.retry(actor, run_id).run_id
        return format_html("{} is retried as {}.", looks.run_link(run_id), looks.run_link(again))

    def _over(
        self,
        request: HttpRequest,
        queryset: QuerySet[TaskStatus],
        do: Callable[[HttpRequest, UUID], str],
    ) -> None:
        """Do it to each chosen run; a refused one stops none of the others."""
        chosen = list(queryset.values_list("pk", flat=True)[: _MOST_AT_ONCE + 1])
        if len(chosen) > _MOST_AT_ONCE:
            self.message_user(
                request, f"Choose at most {_MOST_AT_ONCE} runs at once.", messages.ERROR
            )
            return
        _tell(request, (partial(do, request, run_id) for run_id in chosen))

    def _one(
        self, request: HttpRequest, object_id: str, do: Callable[[HttpRequest, UUID], str]
    ) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            run_id = queries.run_id_of(object_id)
        except exceptions.RunNotFound as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:backgroundtasks_taskstatus_changelist"))
        _tell(request, [partial(do, request, run_id)])
        return HttpResponseRedirect(
            reverse("admin:backgroundtasks_taskstatus_change", args=[run_id])
        )


def _may_pause(run: TaskStatus) -> bool:
    """Return whether a button to pause makes sense: `operations.pause` has the last word."""
    handler = registry.find(run.task_type)
    pausable = handler is not None and handler.pausable
    return run.state == State.WAITING or (run.state == State.RUNNING and pausable)


def _tell(request: HttpRequest, deeds: Iterable[Callable[[], str]], shown: int = 10) -> None:
    """Do each deed, and tell what became of the first ones, and how many others there were."""
    told: dict[int, list[str]] = {messages.SUCCESS: [], messages.ERROR: []}
    for deed in deeds:
        try:
            told[messages.SUCCESS].append(deed())
        except exceptions.TaskCenterError as error:
            told[messages.ERROR].append(str(error))
    for level, texts in told.items():
        for text in texts[:shown]:
            messages.add_message(request, level, text)
        if len(texts) > shown:
            how = "were refused for such reasons" if level == messages.ERROR else "as well"
            messages.add_message(request, level, f"{len(texts) - shown} others {how}.")


def _worker(worker_id: UUID | None) -> str:
    if worker_id is None:
        return looks.NOTHING
    return looks.link("backgroundtasks_worker_change", str(worker_id)[:8], worker_id)
