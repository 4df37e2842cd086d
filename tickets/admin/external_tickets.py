"""Tickets in trackers, the links back in them, and the links that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from backgroundtasks import exceptions, operations, queries
from backgroundtasks.states import State
from tickets.admin.incidents import lines, places_of
from tickets.admin.pages import ReadOnlyPages
from tickets.models import Backlink, ExternalTicket

if TYPE_CHECKING:
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
)
#: Failed runs of one account that the page shows, the newest first.
_MOST = 100
#: Runs of one account that it looks at.
_WINDOW = 10_000
#: Accounts that it looks into.
_MOST_ACCOUNTS = 20
_ORIGIN = "admin"


class _Backlinks(admin.TabularInline):
    model = Backlink
    extra = 0
    can_delete = False
    fields = ("title", "url", "state", "problem", "updated_at")
    readonly_fields = fields

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
        # A tracker's address is a tracker's text: only what a browser opens is made a link.
        if not ticket.url.startswith(("https://", "http://", "/")):
            return ticket.url or "-"
        return format_html('<a href="{0}" rel="noreferrer">{0}</a>', ticket.url)

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
            self._retry(request, request.POST.getlist("run"))
        runs = failed_runs(cast("User", request.user))
        context = {
            **self.admin_site.each_context(request),
            "title": "Failed links of tickets",
            "opts": self.opts,
            "runs": [
                {
                    "id": run.pk,
                    "address": reverse("admin:backgroundtasks_taskstatus_change", args=[run.pk]),
                    "type": run.task_type,
                    "what": (run.task.parameters.get("Key") or run.task.parameters.get("TicketId")),
                    "error": run.error,
                    "owner": run.owner,
                    "account": run.account,
                    "finished_at": run.finished_at,
                }
                for run in runs
            ],
        }
        return TemplateResponse(request, "admin/tickets/externalticket/failed.html", context)

    def _retry(self, request: HttpRequest, chosen: list[str]) -> None:
        user = cast("User", request.user)
        done = 0
        for text in chosen[:_MOST]:
            try:
                run_id = queries.run_id_of(text)
                actor = queries.operator_on(user, run_id, origin=_ORIGIN)
                operations.retry(actor, run_id)
                done += 1
            except exceptions.TaskCenterError as error:
                messages.error(request, str(error))
        if done:
            messages.success(request, f"{done} are tried again.")


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
