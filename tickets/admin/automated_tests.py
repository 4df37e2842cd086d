"""Automated tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import transaction

from indexing import documents
from tickets.admin.pages import EditablePages
from tickets.models import AutomatedTest, AutomatedTestAssignment

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest


@admin.register(AutomatedTest)
class AutomatedTestAdmin(EditablePages):
    """Search by name or id, or by the project's name."""

    list_display = ("name", "project", "type", "created_at")
    list_select_related = ("project",)
    list_filter = ("type", "created_at")
    search_fields = ("name", "project__name", "=id")
    ordering = ("name", "pk")
    readonly_fields = ("id", "account", "project", "package", "created_at", "updated_at")

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Store the test; its assignments are found by its name."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            bearers = AutomatedTestAssignment.objects.filter(automated_test=obj.pk)
            documents.index(AutomatedTestAssignment, bearers.values_list("pk", flat=True))
