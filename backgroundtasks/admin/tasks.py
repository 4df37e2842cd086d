"""Tasks: what was asked for; and starting one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q

from backgroundtasks import clock, exceptions, queries
from backgroundtasks.admin import filters, looks, scope, start
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.handlers import secrets
from backgroundtasks.models import Task

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


class MadeFilter(filters.QueuedFilter):
    """By when they were made: when their first run was queued."""

    title = "made"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those within the span."""
        chosen = self._SPANS.get(self.value() or "")
        if chosen is None:
            return queryset
        return queryset.filter(place__gte=clock.position_at(clock.now() - chosen[1]))


class TypeOfTaskFilter(filters.TypeFilter):
    """By task type; the query itself asks for it, where an index of the runs knows it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return what `TaskAdmin.get_queryset` has narrowed already."""
        return queryset


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    """Lists of one account, newest first; "Add" starts one."""

    list_display = ("name", "task_type", "owner", "origin", "made")
    list_filter = (filters.AccountFilter, MadeFilter, TypeOfTaskFilter)
    list_select_related = ("owner",)
    ordering = ("-runs__position",)
    search_fields = ("pk",)  # `get_search_results` does it all; this shows the box
    search_help_text = f"An id, or words of title, type or owner (newest {filters.WINDOW:,})"
    actions = None
    fields = (
        *("name", "id", "task_type", "account", "owner", "origin", "made"),
        *("labelled", "works_on", "masked", "runs"),
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may try to start tasks; each handler has its own permissions too."""
        return bool(request.user.has_perm("backgroundtasks.add_task"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say in the title whose tasks these are."""
        title = {"title": f"Tasks of {scope.actor(request).account}"}
        return super().changelist_view(request, title | (extra_context or {}))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Start a task."""
        return start.show(request, model_admin=self)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        """Return the visible tasks of the chosen account."""
        chosen = request.GET.get(TypeOfTaskFilter.parameter_name)
        return queries.visible_tasks(scope.actor(request), task_type=chosen)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find a task by its or its run's id, else words among the newest ones."""
        words = search_term.split()
        if not words:
            return queryset, False
        try:
            found = queries.run_id_of(search_term)
        except exceptions.RunNotFound:
            return self._with_words(request, queryset, words), False
        tasks = queries.find_tasks(scope.actor(request), found)
        return tasks.select_related("owner").order_by(*self.ordering), False

    def _with_words(
        self, request: HttpRequest, queryset: QuerySet[Any], words: list[str]
    ) -> QuerySet[Any]:
        """Return the newest tasks that have all the words; looked for once, then known by id."""
        oldest = queries.oldest_of_newest(scope.actor(request), filters.WINDOW)
        matching = queryset.filter(place__gte=oldest)
        for word in words:
            matching = matching.filter(
                Q(title__icontains=word)
                | Q(task_type__icontains=word)
                | Q(owner__username__icontains=word)
            )
        newest = matching.order_by(*self.ordering).values_list("pk", flat=True)
        ids = list(newest[: filters.MOST_FOUND])
        found = super().get_queryset(request).filter(pk__in=ids, runs__retry_of__isnull=True)
        return found.select_related("owner").order_by(*self.ordering)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Task | None:
        """Return a task of any account that the user may look into."""
        try:
            task = Task.objects.filter(pk=object_id).select_related("account", "owner").first()
            if task is None:
                return None
            actor = queries.operator_in(
                scope.user_of(request), task.account_id, origin=scope.ORIGIN
            )
        except (ValidationError, exceptions.AccountRefused):
            return None
        return task if queries.visible_runs(actor).filter(task=task).exists() else None

    @admin.display(description="task")
    def name(self, task: Task) -> str:
        return str(task)

    @admin.display(description="made")
    def made(self, task: Task) -> str:
        return looks.moment(task.created_at)

    @admin.display(description="labels")
    def labelled(self, task: Task) -> str:
        return looks.labels(task.labels)

    @admin.display(description="works on")
    def works_on(self, task: Task) -> str:
        return looks.resource(task.resource)

    @admin.display(description="parameters")
    def masked(self, task: Task) -> str:
        return looks.code(secrets.mask(task.parameters))

    @admin.display(description="runs")
    def runs(self, task: Task) -> str:
        return looks.table(
            ("Run", "State", "Queued", "Finished", "Error"),
            [
                (
                    looks.run_link(run.pk),
                    looks.state(run.state),
                    looks.moment(run.queued_at),
                    looks.moment(run.finished_at),
                    looks.text(run.error),
                )
                for run in task.runs.order_by("-position")[:50]
            ],
        )
