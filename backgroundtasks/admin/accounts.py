"""Accounts and who belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Count

from backgroundtasks.admin import looks, seen_by
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.models import Account, Membership

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class MemberForm(forms.ModelForm):
    """One member; says in words where a default account is, before its constraint does."""

    class Meta:
        model = Membership
        fields = ("user", "role", "is_default")
        labels = {"is_default": "Default account"}
        help_texts = {
            "role": "viewer: looks; member: starts and changes; admin: whatever takes an administrator",
            "is_default": "where this user's requests go that name no account",
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a second default account."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("is_default") and cleaned.get("user"):
            others = Membership.objects.filter(user=cleaned["user"], is_default=True)
            other = others.exclude(pk=self.instance.pk).select_related("account").first()
            if other is not None:
                self.add_error(
                    "is_default",
                    f"The default account of {cleaned['user']} is {other.account}: end that first.",
                )
        return cleaned


class MembershipInline(admin.TabularInline):
    """The members, with their roles; deleting one takes the user out of the account."""

    model = Membership
    form = MemberForm
    raw_id_fields = ("user",)
    fields = ("user", "role", "is_default", "sees")
    readonly_fields = ("sees",)
    ordering = ("user__username",)
    verbose_name = "member"
    verbose_name_plural = "members"
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Return the members with their users."""
        memberships: QuerySet[Membership] = super().get_queryset(request)
        return memberships.select_related("user", "account")

    @admin.display(description="sees")
    def sees(self, membership: Membership) -> str:
        return seen_by.link(membership)


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    """Deleting one would delete its whole history: nobody does that here."""

    list_display = ("name", "members_count", "is_system", "created_at")
    search_fields = ("name", "id", "memberships__user__username")
    search_help_text = "A name, an id, or a member"
    ordering = ("is_system", "name")
    fields = ("name", "id", "is_system", "created_at")
    readonly_fields = ("id", "is_system", "created_at")
    inlines = (MembershipInline,)

    class Media:
        css = {"all": ["backgroundtasks/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Return the accounts, with how many members each has."""
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.annotate(_members=Count("memberships", distinct=True))

    def get_inlines(self, request: HttpRequest, obj: Any) -> tuple[Any, ...]:
        """Return the members; the reserved account has none, operators act in it as they are."""
        return () if obj is not None and obj.is_system else (MembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    @admin.display(description="members")
    def members_count(self, account: Any) -> int:
        return int(account._members)  # noqa: SLF001 - the annotation above


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    """Who belongs where; it is changed on the account's page."""

    list_display = ("user", "account_link", "role", "is_default", "sees")
    list_filter = ("role", "is_default")
    list_select_related = ("user", "account")
    list_display_links = None
    search_fields = ("user__username", "account__name")
    search_help_text = "A user or an account"
    ordering = ("user__username", "account__name")
    actions = None
    fields = ("user", "account", "role", "is_default", "sees")
    readonly_fields = fields

    @admin.display(description="account")
    def account_link(self, membership: Membership) -> str:
        return looks.link(
            "backgroundtasks_account_change", membership.account, membership.account_id
        )

    @admin.display(description="sees")
    def sees(self, membership: Membership) -> str:
        return seen_by.link(membership)
