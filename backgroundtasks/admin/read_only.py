"""The base of pages that only show; what changes, changes by operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.utils.text import capfirst

from backgroundtasks.admin.paging import BoundedPaginator

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows; nobody adds, changes or deletes them here."""

    paginator = BoundedPaginator
    show_full_result_count = False
    # Facets count the whole table once for every choice of every filter.
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50
    actions_selection_counter = True

    class Media:
        css = {"all": ["backgroundtasks/admin.css"]}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the rows under their own name, not under "Select … to view"."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title} | (extra_context or {}))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: finished runs are flushed when their retention has passed."""
        return False
