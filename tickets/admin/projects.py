"""Projects, with the words of their picklists."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError, transaction

from tickets import picklists
from tickets.admin.pages import EditablePages
from tickets.models import PicklistItem, Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest


class _WordForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What has chosen a word has chosen it of its picklist.
        if "picklist" in self.fields and not self.instance._state.adding:  # noqa: SLF001 - documented API
            self.fields["picklist"].disabled = True


class _Words(admin.TabularInline):
    model = PicklistItem
    form = _WordForm
    extra = 1
    fields = ("picklist", "name", "order_number")
    verbose_name = "word of a picklist"
    verbose_name_plural = "words of picklists: statuses, types, priorities, versions, components"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return them as people choose from them."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.order_by("picklist", "order_number", "name")


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
    inlines = (_Words,)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Store words as the API does: what has chosen one is found by its new name."""
        formset.save(commit=False)
        for word in formset.deleted_objects:
            picklists.remove(word)
        for word, changed in formset.changed_objects:
            values = {name: getattr(word, name) for name in changed}
            self._store(request, word, partial(picklists.change, word, values))
        for word in formset.new_objects:
            word.account_id = form.instance.account_id
            self._store(request, word, partial(word.save, force_insert=True))

    def _store(self, request: HttpRequest, word: PicklistItem, store: Callable[[], None]) -> None:
        try:
            with transaction.atomic():
                store()
        except IntegrityError:
            messages.error(request, f"The picklist {word.picklist} has {word.name!r} already.")
        except picklists.WordGone:
            messages.error(request, f"Somebody removed {word.name!r} meanwhile.")
