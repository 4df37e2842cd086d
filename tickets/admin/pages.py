"""
The base of all pages: of the user's accounts, without counting whole tables.

What hangs together (a package and its project, a run and its nodes) is made by the API and
by imports, which check it; here names and descriptions can be put right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Page, Paginator
from django.db import connection, transaction
from django.utils.functional import cached_property
from django.utils.html import format_html

from indexing import documents

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest


class BoundedPaginator(Paginator):
    """Counts at most `limit` rows and pages through those; filters and search reach the rest."""

    limit = 10_000

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most `limit`."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.limit].count())


class JoiningPaginator(BoundedPaginator):
    """Chooses the rows of a page before anything is joined with them: the database would join all."""

    def page(self, number: Any) -> Page:
        """Return a page, whose rows are named by their keys."""
        page = super().page(number)
        chosen: Any = page.object_list
        rows: Any = self.object_list
        page.object_list = rows.filter(pk__in=list(chosen.values_list("pk", flat=True)))
        return page


def link_to(url: str) -> str:
    """Return an address that others gave us as a link, where it is one that a browser opens."""
    if not url.startswith(("https://", "http://", "/")):
        return url or "-"
    return format_html('<a href="{0}" rel="noreferrer">{0}</a>', url)


class RowForm(forms.ModelForm):
    """A form that looks at what it only shows, too: a name may be taken in the row's account."""

    def validate_unique(self) -> None:
        """Look at constraints of the whole row; Django leaves out those of fields that are shown."""
        super().validate_unique()
        if self.errors:
            return
        try:
            self.instance.validate_constraints()
        except ValidationError as error:
            self.add_error(None, error)


class AccountPages(admin.ModelAdmin):
    """Rows of the accounts that the user belongs to; of all, for a superuser."""

    form = RowForm
    paginator = BoundedPaginator
    show_full_result_count = False
    # Facets count the whole table once for every choice of every filter.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    #: From the model to the account.
    account_path: ClassVar[str] = "account"

    class Media:
        css = {"all": ["backgroundtasks/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return what the user may look into."""
        rows: QuerySet[Any] = super().get_queryset(request)
        user = cast("User", request.user)
        if user.is_superuser:
            return rows
        return rows.filter(**{f"{self.account_path}__in": user.accounts.all()})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return a row; one that is being changed as it is now, and nobody else changes it meanwhile."""
        row = super().get_object(request, object_id, from_field)
        if row is None or request.method != "POST" or not connection.in_atomic_block:
            return row
        held = self.model._base_manager.select_for_update(no_key=True)  # noqa: SLF001
        held.filter(pk=row.pk).values_list("pk", flat=True).first()
        return super().get_object(request, object_id, from_field)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: what is made must fit together, and the API sees to that."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a page that lists all that goes with a project would never end."""
        return False


class EditablePages(AccountPages):
    """Pages of rows that may be put right; the search index follows."""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Store the row and what search finds of it, together."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            documents.index(type(obj), [obj.pk])


class ReadOnlyPages(AccountPages):
    """Pages that only show."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
