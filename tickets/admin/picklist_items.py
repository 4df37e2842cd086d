"""The words of projects' picklists: statuses, types, priorities, versions, components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect

from tickets import picklists
from tickets.admin.pages import AccountPages
from tickets.models import PicklistItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest


@admin.register(PicklistItem)
class PicklistItemAdmin(AccountPages):
    """
    Search by a word, or by the name of its project.

    A page of their own: a project may have hundreds, which is more than a form takes.
    """

    list_display = ("name", "picklist", "project", "order_number")
    list_select_related = ("project",)
    list_filter = ("picklist",)
    search_fields = ("name", "project__name", "=id")
    ordering = ("project_id", "picklist", "order_number", "name")
    fields = ("project", "picklist", "name", "order_number")
    raw_id_fields = ("project",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has Django's permission."""
        return request.user.has_perm("tickets.add_picklistitem")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has Django's permission."""
        return request.user.has_perm("tickets.delete_picklistitem")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep its project and picklist: what has chosen it has chosen it of those."""
        return () if obj is None else ("project", "picklist")

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer the projects of the user's accounts; all, for a superuser."""
        user = cast("User", request.user)
        if not user.is_superuser:
            projects = db_field.remote_field.model.objects
            kwargs["queryset"] = projects.filter(account__in=user.accounts.all())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """
        Show or change a word, in no transaction around it all as Django's own.

        Thousands of incidents may follow, and SQLite's one writer would wait for the last.
        """
        # What Django wraps into a transaction.
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]

    @method_decorator(csrf_protect)
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Ask, or remove a word; as `changeform_view`."""
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Store it as the API does: what has chosen it is found by its new name."""
        word = cast("PicklistItem", obj)
        if not change:
            word.account_id = word.project.account_id
            word.save(force_insert=True)
            return
        try:
            picklists.change(word, {name: getattr(word, name) for name in form.changed_data})
        except picklists.WordGone:
            messages.error(request, "Somebody removed the word meanwhile.")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Return the words alone: what has chosen one stays, and may be thousands of incidents."""
        words: Sequence[Any] = list(objs)
        return [str(word) for word in words], {"words": len(words)}, set(), []

    def delete_model(self, request: HttpRequest, obj: PicklistItem) -> None:
        """Remove it; what has chosen it has not any more."""
        picklists.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PicklistItem]) -> None:
        """Remove several."""
        for word in queryset:
            picklists.remove(word)
