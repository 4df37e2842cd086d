"""Execution packages."""

from django.contrib import admin

from tickets.admin.pages import EditablePages
from tickets.models import ExecutionPackage


@admin.register(ExecutionPackage)
class ExecutionPackageAdmin(EditablePages):
    """Search by name or id, or by the project's name."""

    list_display = ("name", "project", "parent", "stereotype", "created_at")
    list_select_related = ("project", "parent")
    list_filter = ("created_at",)
    search_fields = ("name", "project__name", "=id")
    ordering = ("name", "pk")
    readonly_fields = ("id", "account", "project", "parent", "created_at", "updated_at")
