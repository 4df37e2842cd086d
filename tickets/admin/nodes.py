"""Result nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse

from tickets.admin.attachments import downloads
from tickets.admin.incidents import lines
from tickets.admin.pages import ReadOnlyPages
from tickets.models import ResultNode, ResultNodeIncident

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_RUN = "run__id__exact"
#: Incidents that a page shows; it is no report.
_MOST = 100


@admin.register(ResultNode)
class NodeAdmin(ReadOnlyPages):
    """
    The nodes of one run, when its page leads here; else those that need attention.

    There may be a hundred million nodes: neither list nor search ever looks at all of them.
    """

    account_path = "run__account"
    list_display = ("name", "class_name", "status", "is_flaky", "duration_seconds", "run")
    list_filter = ("status", "is_flaky", "is_case")
    search_fields = ("name", "class_name", "=id")
    search_help_text = "A part of the name or class; all nodes of a run are behind its link"
    fields = (
        "id",
        "run",
        "name",
        "class_name",
        "status",
        "is_flaky",
        "duration_seconds",
        "started_at",
        "finished_at",
        "description",
        "notes",
        "metadata",
        "parameters",
        "incidents",
        "attachments",
    )
    readonly_fields = ("incidents", "attachments")
    raw_id_fields = ("run",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the nodes; in a list without a run, those that need attention."""
        rows = super().get_queryset(request).select_related("run")
        match = request.resolver_match
        listed = match is not None and match.url_name == "tickets_resultnode_changelist"
        if listed and _RUN not in request.GET:
            return rows.filter(needs_attention=True)
        return rows.defer("description", "metadata", "parameters", "notes") if listed else rows

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Leave out incidents for whoever may not see those."""
        hidden = set() if request.user.has_perm("tickets.view_incident") else {"incidents"}
        return tuple(name for name in self.fields if name not in hidden)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return an order that an index has."""
        return ("run", "pk") if _RUN not in request.GET else ("pk",)

    @admin.display(description="incidents")
    def incidents(self, node: ResultNode) -> str:
        linked = ResultNodeIncident.objects.filter(node=node).select_related("incident")
        return lines(
            (reverse("admin:tickets_incident_change", args=[one.incident_id]), str(one.incident))
            for one in linked.order_by("created_at", "pk")[:_MOST]
        )

    @admin.display(description="attachments")
    def attachments(self, node: ResultNode) -> str:
        return downloads(node.attachments.all())

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let the run's page lead here."""
        return lookup == _RUN or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
