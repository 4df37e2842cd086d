"""Tickets of the built-in tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import transaction

from backgroundtasks import clock
from tickets.admin.pages import AccountPages, link_to
from tickets.models import BuiltinBacklink, BuiltinComment, BuiltinTicket

if TYPE_CHECKING:
    from django.http import HttpRequest


class _ShownOnly(admin.TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: runs write them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class _Comments(_ShownOnly):
    model = BuiltinComment
    fields = ("created_at", "text")
    readonly_fields = fields


class _Backlinks(_ShownOnly):
    model = BuiltinBacklink
    fields = ("title", "leads_to", "summary", "resolved")
    readonly_fields = ("leads_to",)

    @admin.display(description="leads to")
    def leads_to(self, back: BuiltinBacklink) -> str:
        return link_to(back.url)


@admin.register(BuiltinTicket)
class BuiltinTicketAdmin(AccountPages):
    """The tracker's own page: what is done about a ticket is written here."""

    list_display = ("__str__", "summary", "status", "assignee", "updated_at")
    list_select_related = ("project",)
    list_filter = ("status",)
    search_fields = ("summary", "=number")
    ordering = ("-pk",)
    readonly_fields = ("account", "project", "number", "created_at", "updated_at")
    inlines = (_Comments, _Backlinks)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Note that it changed, so that a synchronisation sees it."""
        with transaction.atomic():
            held = BuiltinTicket.objects.select_for_update().get(pk=obj.pk)
            obj.version = held.version + 1
            obj.updated_at = clock.now()
            super().save_model(request, obj, form, change)
