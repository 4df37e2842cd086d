"""The state of the index, for operators: what was rebuilt when, and what is indexed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from indexing.models import Document, Rebuild, Relationship
from indexing.sources import PROJECT


@admin.register(Rebuild)
class RebuildAdmin(admin.ModelAdmin):
    """The last rebuild of each account and project; nobody changes what happened."""

    list_display = ("account", "project", "finished_at", "documents", "removed", "optimized")
    list_filter = ("account", "optimized")
    list_select_related = ("account",)
    ordering = ("-finished_at",)
    show_full_result_count = False
    fields = (
        "account",
        "project",
        "run_id",
        "finished_at",
        "documents",
        "removed",
        "relationships",
        "optimized",
        "indexed_now",
    )
    readonly_fields = fields

    @admin.display(description="project")
    def project(self, rebuild: Rebuild) -> str:
        """Return the project's name, from the index itself."""
        return _project_name(rebuild.project_id) if rebuild.project_id else "all projects"

    @admin.display(description="indexed now")
    def indexed_now(self, rebuild: Rebuild) -> str:
        """Return how many documents of each type there are; on the page of one rebuild only."""
        documents = Document.objects.filter(account=rebuild.account_id)
        if rebuild.project_id is not None:
            documents = documents.filter(project_id=rebuild.project_id)
        counts = documents.values_list("entity_type").annotate(Count("pk")).order_by("entity_type")
        rows: list[tuple[Any, ...]] = list(counts)
        if rebuild.project_id is None:
            related = Relationship.objects.filter(account=rebuild.account_id).count()
            rows.append(("relationships", related))
        return format_html(
            "<table>{}</table>",
            format_html_join("", "<tr><td>{}</td><td>{}</td></tr>", rows),
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: the next rebuild replaces it."""
        return False


def _project_name(project_id: UUID) -> str:
    document = Document.objects.filter(entity_type=PROJECT, entity_id=project_id).first()
    return document.name if document else str(project_id)
