"""Runs of automated tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from tickets.admin.attachments import downloads
from tickets.admin.pages import ReadOnlyPages
from tickets.models import AutomatedTestRun

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(AutomatedTestRun)
class RunAdmin(ReadOnlyPages):
    """The last imported first; staged and discarded ones too, for they need an operator's eye."""

    list_display = (
        "assignment_name",
        "status",
        "stage",
        "total_results",
        "passed",
        "failed",
        "errors",
        "skipped",
        "warnings",
        "imported_at",
        "nodes",
    )
    list_filter = ("stage", "status", "imported_at")
    search_fields = ("assignment__automated_test__name", "=id", "=import_id")
    search_help_text = "The test's name, or the id of the run or of the import"
    ordering = ("-imported_at", "pk")
    readonly_fields = ("attachments",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return runs with the names that the list shows."""
        return super().get_queryset(request).select_related("assignment__automated_test")

    @admin.display(description="test")
    def assignment_name(self, run: AutomatedTestRun) -> str:
        return run.assignment.automated_test.name

    @admin.display(description="attachments")
    def attachments(self, run: AutomatedTestRun) -> str:
        return downloads(run.attachments.filter(node=None))

    @admin.display(description="nodes")
    def nodes(self, run: AutomatedTestRun) -> str:
        url = reverse("admin:tickets_resultnode_changelist")
        return format_html('<a href="{}?run__id__exact={}">{}</a>', url, run.pk, run.total_nodes)
