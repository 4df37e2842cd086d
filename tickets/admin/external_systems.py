"""External systems, and a button that says what works of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.formats import date_format
from django.utils.timezone import localtime

from backgroundtasks.exceptions import SecretUnreadable
from tickets import connections, credentials, external_systems, trackers
from tickets.admin.pages import AccountPages, RowForm
from tickets.models import ExternalSystem, ExternalSystemLink

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import Model
    from django.http import HttpRequest
    from django.urls import URLPattern

#: Projects of a tracker that the page of a test offers.
_MOST = 100


class ExternalSystemForm(RowForm):
    """What is written down; the password goes in and never out."""

    kind = forms.ChoiceField(required=False, help_text="Which program it is.")
    password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    forget_password = forms.BooleanField(required=False)

    class Meta:
        model = ExternalSystem
        fields = ("account", "name", "kind", "base_url", "display_url", "user_name", "settings")
        labels = {"base_url": "Base URL", "display_url": "Display URL"}
        help_texts = {
            "base_url": "As https://bugs.example.org; another one asks for the password again.",
            "display_url": "Where people open it, when that is not the base URL.",
            "user_name": "Login, or what the program takes for one.",
            "settings": "A JSON object; empty: {}.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            choice = cast("forms.ChoiceField", self.fields["kind"])
            choice.choices = [(name, kind.title) for name, kind in sorted(trackers.KINDS.items())]
        self.fields["password"].help_text = (
            "Set; leave it empty to keep it." if credentials.given(self.instance) else "Not set."
        )
        #: As stored: the form writes what it read into the row before `clean` is done.
        self._base_url = self.instance.base_url

    def clean_settings(self) -> dict[str, Any]:
        """Take a JSON object; nothing for none."""
        given = self.cleaned_data["settings"]
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise forms.ValidationError("It must be a JSON object.")
        return given

    def clean(self) -> dict[str, Any]:
        """Refuse what the API refuses."""
        given = super().clean() or {}
        if self.errors:
            return given
        row = self.instance
        row.account = given.get("account") or row.account
        row.kind = given.get("kind") or row.kind
        row.user_name = given.get("user_name", row.user_name)
        row.settings = given.get("settings", row.settings)
        row.base_url = self._base_url
        changed = {name for name in self.changed_data if given[name] != self.initial.get(name)}
        if changed == {"enabled"} and not given["enabled"]:
            return given  # whatever is wrong with it, it can be switched off
        password = "" if given.get("forget_password") else (given.get("password") or None)
        try:
            external_systems.place(row, given.get("base_url"), password)
            external_systems.settle(row)
        except external_systems.SystemRefused as refusal:
            self.add_error(None, str(refusal))
        given["base_url"] = row.base_url
        return given


class _Links(admin.TabularInline):
    """The projects that use it; made by the API, which checks both sides."""

    model = ExternalSystemLink
    extra = 0
    can_delete = False
    show_change_link = True
    fields = ("project", "name", "tracker_project", "enabled", "last_synchronized_at", "problem")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the page."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody here."""
        return False


@admin.register(ExternalSystem)
class ExternalSystemAdmin(AccountPages):
    """How trackers are reached; whoever may change them may also try them."""

    form = ExternalSystemForm
    list_display = ("name", "account", "kind", "base_url", "enabled", "password_given", "problem")
    list_select_related = ("account",)
    list_filter = ("kind", "enabled")
    search_fields = ("name", "base_url", "=id")
    ordering = ("name", "pk")
    inlines = (_Links,)
    change_form_template = "admin/tickets/externalsystem/change_form.html"
    _STATE = (
        *("problem", "failures", "left_alone_until", "refused_logins"),
        *("created_at", "updated_at"),
    )
    readonly_fields = _STATE
    _NAMED: Any = (None, {"fields": ("account", "name", "kind", "enabled")})
    _MORE: Any = ("More", {"fields": ("display_url", "settings")})
    fieldsets = (
        _NAMED,
        ("Connection", {"fields": ("base_url", "user_name", "password", "forget_password")}),
        _MORE,
        ("At present", {"fields": _STATE}),
    )
    #: Of one that is being made: it has no password to forget, and nothing happened to it yet.
    add_fieldsets = (
        _NAMED,
        ("Connection", {"fields": ("base_url", "user_name", "password")}),
        _MORE,
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever has Django's permission: a system hangs together with nothing yet."""
        return request.user.has_perm("tickets.add_externalsystem")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep whose it is and which program, once it is there."""
        return self.readonly_fields if obj is None else ("account", "kind", *self.readonly_fields)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what is only there once the system is."""
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Leave out the links of a system that has none yet."""
        return () if obj is None else self.inlines

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer the accounts that the user belongs to, all for a superuser; choose the only one of their own."""
        user = cast("User", request.user)
        if db_field.name == "account":
            accounts = db_field.remote_field.model.objects.all()
            kwargs["queryset"] = accounts if user.is_superuser else user.accounts.all()
            own = list(user.accounts.all()[:2])
            kwargs["initial"] = own[0] if len(own) == 1 else None
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="left alone until")
    def left_alone_until(self, system: ExternalSystem) -> str:
        if system.open_until is None:
            return "-"
        return date_format(localtime(system.open_until), "DATETIME_FORMAT")

    @admin.display(description="password", boolean=True)
    def password_given(self, system: ExternalSystem) -> bool:
        return credentials.given(system)

    def get_urls(self) -> list[URLPattern]:
        """Add what the button does."""
        view = self.admin_site.admin_view(self.test_view)
        route = path("<path:object_id>/test/", view, name="tickets_externalsystem_test")
        return [route, *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the tracker what works, and show it; nothing is written there."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        system = self.get_object(request, object_id)
        if system is None or not self.has_change_permission(request, system):
            raise PermissionDenied
        linked = list(
            system.links.exclude(tracker_project="")
            .order_by("created_at")
            .values_list("tracker_project", flat=True)[:_MOST]
        )
        project = request.POST.get("project", linked[0] if linked else "").strip()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Test of {system.name}",
            "opts": self.opts,
            "media": self.media,
            "original": system,
            "project": project,
            "linked": linked,
        }
        try:
            connection = connections.of_system(system, project=project)
            check = trackers.connect(connection).check()
        except (trackers.errors.ConnectionInvalid, SecretUnreadable) as error:
            context["problem"] = str(error)
        else:
            context["works"] = check.works
            context["findings"] = [
                (name.value, one.works, one.text) for name, one in check.findings.items()
            ]
        return TemplateResponse(request, "admin/tickets/externalsystem/test.html", context)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Store it, with the password that the form has sealed."""
        obj.save()


@admin.register(ExternalSystemLink)
class ExternalSystemLinkAdmin(AccountPages):
    """Which projects use which trackers, and how their synchronisation goes."""

    list_display = (
        "name",
        "project",
        "external_system",
        "enabled",
        "last_synchronized_at",
        "problem",
    )
    list_select_related = ("project", "external_system")
    list_filter = ("enabled",)
    search_fields = ("name", "project__name", "external_system__name", "=id")
    ordering = ("name", "pk")
    readonly_fields = (
        *("id", "account", "external_system", "project", "type", "tracker_project"),
        *("last_synchronized_at", "last_pulled_at", "last_pushed_at", "problem"),
        *("created_at", "updated_at"),
    )
