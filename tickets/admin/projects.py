"""Projects."""

from django.contrib import admin

from tickets.admin.pages import EditablePages
from tickets.models import Project


@admin.register(Project)
class ProjectAdmin(EditablePages):
    """Search by name, slug or id."""

    list_display = ("name", "account", "slug", "manager", "created_at")
    list_select_related = ("account", "manager")
    list_filter = ("independent", "created_at")
    search_fields = ("name", "slug", "=id")
    ordering = ("name", "pk")
    readonly_fields = ("id", "account", "created_at", "updated_at")
    raw_id_fields = ("manager",)
