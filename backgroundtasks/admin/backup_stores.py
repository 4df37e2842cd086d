"""Backup stores: registered, tried out, chosen and forgotten here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect

from backgroundtasks import exceptions, operations
from backgroundtasks.admin import looks, scope
from backgroundtasks.admin.read_only import ReadOnlyAdmin
from backgroundtasks.maintenance.errors import MaintenanceError
from backgroundtasks.models import BackupStore, StoreKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

#: A form has an attribute `prefix` of its own.
_S3 = {
    "bucket": "bucket",
    "key_prefix": "prefix",
    "endpoint_url": "endpoint_url",
    "region": "region",
}
_CREDENTIALS = ("access_key_id", "secret_access_key")
_REFUSALS = (MaintenanceError, exceptions.TaskCenterError)


class StoreForm(forms.ModelForm):
    """A store to be; registering it tries it out."""

    kind = forms.ChoiceField(choices=[(StoreKind.LOCAL, "a folder"), (StoreKind.S3, "a bucket")])
    path = forms.CharField(
        required=False, help_text="A folder below one that the settings allow, for that kind."
    )
    bucket = forms.CharField(required=False, help_text="For that kind; it is there already.")
    key_prefix = forms.CharField(required=False, help_text="Of all keys in the bucket.")
    endpoint_url = forms.CharField(required=False, help_text="Of a server that is not Amazon's.")
    region = forms.CharField(required=False)
    access_key_id = forms.CharField(
        required=False, help_text="None: what the server's boto3 finds."
    )
    secret_access_key = forms.CharField(
        required=False, widget=forms.PasswordInput(), strip=False, help_text="Never shown again."
    )
    make_default = forms.BooleanField(required=False)

    class Meta:
        model = BackupStore
        fields = ("name", "kind")

    actor: Any = None

    def clean(self) -> dict[str, Any]:
        """Register it, or say why that cannot be."""
        given = super().clean() or {}
        if self.errors:
            return given
        names = {"path": "path"} if given["kind"] == StoreKind.LOCAL else _S3
        try:
            operations.register_store(
                self.actor,
                given["name"],
                given["kind"],
                {name: given[field] for field, name in names.items() if given[field]},
                {name: given[name] for name in _CREDENTIALS},
                make_default=given["make_default"],
            )
        except _REFUSALS as error:
            raise ValidationError(str(error)) from None
        return given

    def _post_clean(self) -> None:
        """Do nothing: the row is the operation's."""


@admin.register(BackupStore)
class BackupStoreAdmin(ReadOnlyAdmin):
    """Only operators; `list_stores` shows those of the settings, too."""

    form = StoreForm
    list_display = ("name", "kind", "place", "is_default", "added")
    ordering = ("name",)
    actions = ("validate", "choose", "unregister")
    readonly_fields = ("place", "key", "added", "changed")
    fields = ("name", "kind", "is_default", *readonly_fields)

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """
        Answer without Django's transaction around it.

        Trying a store out may wait for a server; on SQLite nobody else could write meanwhile.
        """
        # Django's own, not in the stubs.
        show: Callable[..., HttpResponse] = self._changeform_view  # type: ignore[attr-defined]
        return show(request, object_id, form_url, extra_context)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked for of a new one, and what is shown of one that is there."""
        if obj is not None:
            return self.fields
        return ("name", "kind", "path", *_S3, *_CREDENTIALS, "make_default")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing is shown where it is asked for."""
        return () if obj is None else self.fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[BackupStore]:
        """Leave out the mark on a store of the settings."""
        return super().get_queryset(request).exclude(kind=StoreKind.SETTINGS)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> Any:
        """Let the form know who asks."""
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = scope.actor(request)
        return form

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Only operators."""
        return self.has_operate_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only operators."""
        return self.has_operate_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only operators."""
        return self.has_operate_permission(request)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the user operates the installation."""
        return bool(request.user.is_active and request.user.is_superuser)

    def save_model(self, request: HttpRequest, obj: BackupStore, form: Any, change: Any) -> None:
        """Take the row that the form's check has made."""
        obj.pk = form.cleaned_data["name"]
        obj.refresh_from_db()

    @admin.display(description="place")
    def place(self, store: BackupStore) -> str:
        return " ".join(str(value) for value in store.settings.values() if value)

    @admin.display(description="access key id")
    def key(self, store: BackupStore) -> str:
        return str(store.credentials.get("access_key_id") or looks.NOTHING)

    @admin.display(description="registered")
    def added(self, store: BackupStore) -> str:
        return looks.moment(store.created_at)

    @admin.display(description="changed")
    def changed(self, store: BackupStore) -> str:
        return looks.moment(store.updated_at)

    @admin.action(description="Try the chosen stores out", permissions=["operate"])
    def validate(self, request: HttpRequest, queryset: QuerySet[BackupStore]) -> None:
        self._over(request, queryset, operations.validate_store, "can be used.")

    @admin.action(description="Make the chosen store the default", permissions=["operate"])
    def choose(self, request: HttpRequest, queryset: QuerySet[BackupStore]) -> None:
        self._over(request, queryset, operations.make_store_default, "is the default now.")

    @admin.action(description="Unregister the chosen stores", permissions=["operate"])
    def unregister(self, request: HttpRequest, queryset: QuerySet[BackupStore]) -> None:
        self._over(request, queryset, operations.unregister_store, "is not registered any longer.")

    def _over(
        self,
        request: HttpRequest,
        chosen: QuerySet[BackupStore],
        do: Callable[[Any, str], None],
        words: str,
    ) -> None:
        """Do it to each, and say what became of it."""
        for name in [store.name for store in chosen]:
            try:
                do(scope.actor(request), name)
            except _REFUSALS as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"The store {name} {words}")
