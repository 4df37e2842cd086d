"""Tickets in trackers, the links back in them, and the links that failed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.template.response import TemplateResponse
from django.urls import path, reverse

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.states import State
from tickets.admin.incidents import lines, places_of
from tickets.admin.pages import ReadOnlyPages, link_to
from tickets.models import Backlink, ExternalSystem, ExternalSystemLink, ExternalTicket, Incident

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

#: The task types whose failed runs are failed links.
LINKING = (
    "CreateTicketLink",
    "LinkTicketToAgileRunStep",
    "LinkTicketToAutomatedTestRunResultNode",
    "LinkTicketToStepResult",
    "SynchronizeExternalSystem",
)
#: Failed runs of one account that the page shows, the newest first.
_MOST = 100
#: Runs of one account that it looks at.
_WINDOW = 10_000
#: Accounts that it looks into.
_MOST_ACCOUNTS = 20
_ORIGIN = "admin"
#: Of the parameters of such runs, those that are ids of rows with names.
_NAMED: Final[dict[str, type[Any]]] = {
    "IncidentId": Incident,
    "ExternalSystemLinkId": ExternalSystemLink,
    "ExternalSystemId": ExternalSystem,
}


class _Backlinks(admin.TabularInline):
    model = Backlink
    extra = 0
    can_delete = False
    fields = ("title", "leads_to", "state", "problem", "updated_at")
    readonly_fields = fields

    @admin.display(description="leads to")
    def leads_to(self, back: Backlink) -> str:
        return link_to(back.url)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the page."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: tasks make them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(ExternalTicket)
class ExternalTicketAdmin(ReadOnlyPages):
    """Which tickets incidents are kept in step with, and where those were found."""

    list_display = ("__str__", "incident", "status", "link", "synchronized_at", "problem")
    list_select_related = ("incident", "link")
    list_filter = ("status_category", "synchronized_at")
    search_fields = ("key", "summary", "=ticket_id", "=id")
    ordering = ("-created_at", "pk")
    inlines = (_Backlinks,)
    change_list_template = "admin/tickets/externalticket/change_list.html"
    fields = (
        *("id", "account", "incident", "link", "where", "found_by", "ticket_id", "key"),
        *("type", "summary", "status", "status_category", "priority", "assignee"),
        *("changed_at", "synchronized_at", "problem", "created_at"),
    )
    readonly_fields = fields

    @admin.display(description="in the tracker")
    def where(self, ticket: ExternalTicket) -> str:
        return link_to(ticket.url)

    @admin.display(description="found by")
    def found_by(self, ticket: ExternalTicket) -> str:
        return lines(places_of(ticket.incident))

    def get_urls(self) -> list[URLPattern]:
        """Add the page of failed links."""
        view = self.admin_site.admin_view(self.failed_view)
        return [path("failed/", view, name="tickets_failed_links"), *super().get_urls()]

    def failed_view(self, request: HttpRequest) -> HttpResponse:
        """Show the runs that failed to link a ticket, with the reason; POST retries the chosen ones."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._retry(request)
        user = cast("User", request.user)
        runs = failed_runs(user)
        names = _Names(runs)
        context = {
            **self.admin_site.each_context(request),
            "title": "Failed links of tickets",
            "opts": self.opts,
            "media": self.media,
            "runs": [
                {
                    "id": run.pk,
                    "address": reverse("admin:backgroundtasks_taskstatus_change", args=[run.pk]),
                    "type": run.task_type,
                    "what": names.ticket(run),
                    "tracker": names.tracker(run),
                    "error": run.error,
                    "owner": run.owner,
                    "account": run.account,
                    "finished_at": run.finished_at,
                }
                for run in runs
            ],
            "backlinks": failed_backlinks(user),
        }
        return TemplateResponse(request, "admin/tickets/externalticket/failed.html", context)

    def _retry(self, request: HttpRequest) -> None:
        """Start what was chosen once more, each with the user's permissions."""
        user = cast("User", request.user)
        chosen = {back.pk for back in failed_backlinks(user)}
        wanted = [back for back in request.POST.getlist("backlink") if _id(back) in chosen]
        made_by = Backlink.objects.filter(pk__in=wanted).values_list("made_by", "ticket__account")
        deeds = [partial(_retry_run, user, run) for run in request.POST.getlist("run")[:_MOST]]
        deeds += [partial(_retry_task, user, task, account) for task, account in made_by if task]
        done = 0
        for deed in deeds:
            try:
                deed()
                done += 1
            except exceptions.TaskCenterError as error:
                messages.error(request, str(error))
        if not deeds:
            messages.warning(request, "Nothing was chosen.")
        if done:
            messages.success(request, f"{done} {'is' if done == 1 else 'are'} tried again.")


def failed_backlinks(user: User) -> list[Backlink]:
    """Return the links that trackers refused, of the user's accounts, the newest first."""
    found = Backlink.objects.filter(
        state=Backlink.State.FAILED, ticket__account__in=queries.accounts_of(user).order_by()
    )
    return list(found.select_related("ticket__link").order_by("-updated_at", "pk")[:_MOST])


def failed_runs(user: User) -> list[Any]:
    """
    Return the runs that failed to link a ticket and were not tried again, of the user's accounts.

    Looked for among the newest ten thousand runs of an account, which an index gives.
    """
    found: list[Any] = []
    for account in queries.accounts_of(user)[:_MOST_ACCOUNTS]:
        actor = queries.operator_in(user, account.pk, origin=_ORIGIN)
        runs: QuerySet[Any] = queries.visible_in_states(actor, {State.FAILED})
        later = runs.model.objects.filter(
            task_id=OuterRef("task_id"), position__gt=OuterRef("position")
        )
        since = queries.oldest_of_newest(actor, _WINDOW)
        runs = runs.filter(~Exists(later), task_type__in=LINKING, position__gte=since)
        found += runs.select_related("task", "owner", "account").order_by("-position")[:_MOST]
    return sorted(found, key=lambda run: run.position, reverse=True)


def _retry_run(user: User, spelling: str) -> None:
    run_id = queries.run_id_of(spelling)
    operations.retry(queries.operator_on(user, run_id, origin=_ORIGIN), run_id)


def _retry_task(user: User, task_id: UUID, account_id: UUID) -> None:
    """
    Retry the last run of the task that should have made a link back.

    Raises:
        RunNotFound: it was flushed.
    """
    actor = queries.operator_in(user, account_id, origin=_ORIGIN)
    runs = queries.visible_runs_of_task(actor, task_id).order_by("-position")
    run_id = runs.values_list("pk", flat=True).first()
    if run_id is None:
        raise exceptions.RunNotFound(task_id)
    operations.retry(actor, run_id)


class _Names:
    """What runs were about, in words, as their parameters name it; a statement for each kind."""

    def __init__(self, runs: Iterable[Any]) -> None:
        accounts = {run.account_id for run in runs}
        self._rows = {
            name: model.objects.filter(account__in=accounts).in_bulk(
                {key for run in runs if (key := _key(run, name))}
            )
            for name, model in _NAMED.items()
        }

    def ticket(self, run: Any) -> str:
        """Return the ticket's key or id, or the incident that was to get one."""
        if incident := self._row(run, "IncidentId"):
            return f"a new one, of incident {incident}"
        given = run.task.parameters
        return str(given.get("Key") or given.get("TicketId") or given.get("IncidentId") or "")

    def tracker(self, run: Any) -> str:
        """Return the link, or else the system; empty where none was named, or it is gone."""
        return str(
            self._row(run, "ExternalSystemLinkId") or self._row(run, "ExternalSystemId") or ""
        )

    def _row(self, run: Any, name: str) -> Any:
        row = self._rows[name].get(_key(run, name))
        return row if row is not None and row.account_id == run.account_id else None


def _key(run: Any, name: str) -> UUID | None:
    return _id(str(run.task.parameters.get(name) or ""))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
