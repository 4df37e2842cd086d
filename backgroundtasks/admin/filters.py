"""What lists of runs and tasks can be narrowed by; none asks the run table for its values."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin

from backgroundtasks import clock, queries
from backgroundtasks.admin import scope
from backgroundtasks.handlers import registry
from backgroundtasks.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest

#: Newest runs of an account that are looked through where no index helps.
WINDOW = 20_000
#: Rows that a search for words finds at most.
MOST_FOUND = 500


class AccountFilter(admin.SimpleListFilter):
    """One account at a time; the query itself is `scope`'s."""

    title = "account"
    parameter_name = scope.ACCOUNT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the accounts."""
        self._chosen = str(scope.actor(request).account.pk)
        return [(str(account.pk), account.name) for account in scope.accounts(request)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return what `scope` has narrowed already."""
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Return the accounts, without one for all."""
        for value, title in self.lookup_choices:
            yield {
                "selected": value == self._chosen,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


class StateFilter(admin.SimpleListFilter):
    """By state; the query itself is made by `states_of`, which knows the indexes."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states, in the order of a run's life."""
        return [("problems", "failed or lost"), *((state.value, state.value) for state in State)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return what `states_of` has narrowed already."""
        return queryset


def states_of(request: HttpRequest) -> frozenset[State]:
    """Return the states that the address asks for; none: all."""
    named = request.GET.get(StateFilter.parameter_name, "")
    if named == "problems":
        return frozenset({State.FAILED, State.LOST})
    return frozenset({State(named)}) if named in list(State) else frozenset()


class TypeFilter(admin.SimpleListFilter):
    """By task type."""

    title = "type"
    parameter_name = "task_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the task types that there are."""
        return [(handler.task_type,) * 2 for handler in registry.all_handlers()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of the type."""
        return queryset.filter(task_type=self.value()) if self.value() else queryset


class QueueFilter(admin.SimpleListFilter):
    """By queue, among the newest runs."""

    title = f"queue (newest {WINDOW:,})"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the queues that handlers name."""
        names = {"default"} | {handler.queue for handler in registry.all_handlers()}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of the queue."""
        if not self.value():
            return queryset
        return queryset.filter(recent_enough(request), queue=self.value())


class ParentFilter(admin.SimpleListFilter):
    """The children of one run; shown only where it is asked for, as by the run's page."""

    title = "started by"
    parameter_name = "parent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the run that is asked for."""
        named = request.GET.get(self.parameter_name)
        return [(named, named)] if named else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return what `parent_of` has narrowed already."""
        return queryset


def parent_of(request: HttpRequest) -> UUID | None:
    """
    Return the run whose children the address asks for; None: those of all.

    Raises:
        RunNotFound: it is no id.
    """
    named = request.GET.get(ParentFilter.parameter_name)
    return queries.run_id_of(named) if named else None


class QueuedFilter(admin.SimpleListFilter):
    """By when they were queued."""

    title = "queued"
    parameter_name = "queued"
    _SPANS = {
        "hour": ("within an hour", timedelta(hours=1)),
        "day": ("within a day", timedelta(days=1)),
        "week": ("within a week", timedelta(days=7)),
        "month": ("within 30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spans."""
        return [(name, words) for name, (words, _) in self._SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those within the span; the place in the queue is the time, and indexed."""
        chosen = self._SPANS.get(self.value() or "")
        if chosen is None:
            return queryset
        return queryset.filter(position__gte=clock.position_at(clock.now() - chosen[1]))


def recent_enough(request: HttpRequest) -> Any:
    """Return the condition that bounds a look through runs; none where states are few."""
    actor = scope.actor(request)
    return queries.among_newest(actor, WINDOW, states=states_of(request))
