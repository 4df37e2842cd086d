"""Custom fields: made here, and removed with what was noted in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin

from tickets.admin.pages import AccountPages, RowForm
from tickets.models import CustomField

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest


class _Form(RowForm):
    choices = forms.JSONField(
        required=False, help_text='Of a choice: a JSON array of texts, ["Windows", "Linux"].'
    )

    class Meta:
        model = CustomField
        fields = "__all__"

    def clean_choices(self) -> Any:
        """Take nothing for no choices."""
        return self.cleaned_data["choices"] or []


@admin.register(CustomField)
class CustomFieldAdmin(AccountPages):
    """Search by name or label."""

    form = _Form
    list_display = ("name", "label", "entity_type", "kind", "required", "project", "account")
    list_select_related = ("project", "account")
    list_filter = ("entity_type", "kind")
    search_fields = ("name", "label", "=id")
    ordering = ("entity_type", "order_number", "name")
    raw_id_fields = ("project",)
    #: What values that are there depend on.
    _FIRM = ("account", "project", "entity_type", "kind")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has Django's permission."""
        return request.user.has_perm("tickets.add_customfield")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has Django's permission: nothing hangs below a field."""
        return request.user.has_perm("tickets.delete_customfield")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep whose it is and what it holds, once it is there."""
        return () if obj is None else self._FIRM

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer the accounts that the user belongs to, and their projects; all, for a superuser."""
        user = cast("User", request.user)
        if not user.is_superuser:
            mine = user.accounts.all()
            rows = db_field.remote_field.model.objects
            kwargs["queryset"] = (
                mine if db_field.name == "account" else rows.filter(account__in=mine)
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
