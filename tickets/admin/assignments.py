"""Assignments."""

from django.contrib import admin

from tickets.admin.pages import EditablePages
from tickets.models import AutomatedTestAssignment


@admin.register(AutomatedTestAssignment)
class AssignmentAdmin(EditablePages):
    """Search by the test's name or the id."""

    list_display = ("automated_test", "package", "assigned_to", "created_at")
    list_select_related = ("automated_test", "package", "assigned_to")
    list_filter = ("created_at",)
    search_fields = ("automated_test__name", "package__name", "=id")
    ordering = ("-created_at", "pk")
    readonly_fields = ("id", "account", "automated_test", "package", "created_at", "updated_at")
    raw_id_fields = ("assigned_to",)
