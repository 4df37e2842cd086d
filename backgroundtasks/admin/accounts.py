"""Accounts and who belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count

from backgroundtasks.models import Account, Membership

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class MembershipInline(admin.TabularInline):
    """The members, with their roles."""

    model = Membership
    raw_id_fields = ("user",)
    extra = 0


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    """Deleting one would delete its whole history: nobody does that here."""

    list_display = ("name", "members_count", "is_system", "created_at")
    search_fields = ("name", "id")
    ordering = ("is_system", "name")
    fields = ("name", "id", "is_system", "created_at")
    readonly_fields = ("id", "is_system", "created_at")
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return the accounts, with how many members each has."""
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.annotate(_members=Count("memberships"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    @admin.display(description="members")
    def members_count(self, account: Any) -> int:
        return int(account._members)  # noqa: SLF001 - the annotation above
