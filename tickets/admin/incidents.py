"""Incidents, with their tickets and what they were found by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from tickets import incidents
from tickets.admin.attachments import downloads
from tickets.admin.pages import AccountPages, RowForm
from tickets.models import (
    AgileRunStepIncident,
    Incident,
    IncidentComment,
    PickedAs,
    Picklist,
    PicklistItem,
    ResultNodeIncident,
    StepResultIncident,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model
    from django.http import HttpRequest

#: Of one kind; a page is no report.
_MOST: int = 100
_PICKS = {
    "affected_versions": (PickedAs.AFFECTED_VERSION, Picklist.VERSION),
    "fixed_versions": (PickedAs.FIXED_VERSION, Picklist.VERSION),
    "components": (PickedAs.COMPONENT, Picklist.COMPONENT),
}
_EDITABLE = ("summary", "description", "status", "priority", "type", "resolution", "assigned_to")


class _Form(RowForm):
    affected_versions = forms.ModelMultipleChoiceField(PicklistItem.objects.none(), required=False)
    fixed_versions = forms.ModelMultipleChoiceField(PicklistItem.objects.none(), required=False)
    components = forms.ModelMultipleChoiceField(PicklistItem.objects.none(), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (picked_as, picklist) in _PICKS.items():
            if name not in self.fields:  # the page is only shown
                continue
            field: Any = self.fields[name]
            items = PicklistItem.objects.filter(project=self.instance.project_id, picklist=picklist)
            field.queryset = items.order_by("order_number", "name")
            picks = self.instance.picks.filter(picked_as=picked_as)
            field.initial = list(picks.values_list("item", flat=True))


class _Comments(admin.TabularInline):
    model = IncidentComment
    extra = 0
    can_delete = False
    fields = ("created_at", "created_by", "text")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the page."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody here: comments are made by whoever says them."""
        return False


@admin.register(Incident)
class IncidentAdmin(AccountPages):
    """Search by summary, the key of a ticket or the id."""

    form = _Form
    list_display = ("number", "summary", "project", "status", "assigned_to", "updated_at")
    list_select_related = ("project", "status", "assigned_to")
    list_filter = ("created_at",)
    search_fields = ("summary", "external_tickets__key", "=id")
    ordering = ("-created_at", "pk")
    readonly_fields = (
        *("id", "account", "project", "number", "tickets", "found_by"),
        *("attachments", "version_number"),
        *("created_by", "created_at", "last_updated_by", "updated_at"),
    )
    fields = (*readonly_fields[:4], *_EDITABLE, *_PICKS, *readonly_fields[4:])
    raw_id_fields = ("assigned_to",)
    inlines = (_Comments,)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer the words of the incident's own project."""
        if db_field.name in {"status", "priority", "type", "resolution"}:
            match = request.resolver_match
            row = self.get_object(request, match.kwargs.get("object_id", ""))
            picklist = {
                "status": "IncidentStatus",
                "priority": "Priority",
                "type": "IncidentType",
                "resolution": "IncidentResolution",
            }[db_field.name]
            items = db_field.remote_field.model.objects.filter(
                project=row.project_id if row else None, picklist=picklist
            )
            kwargs["queryset"] = items.order_by("order_number", "name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        """Change it as the API does: its version is raised, and search follows."""
        changed = [name for name in form.changed_data if name not in _PICKS]
        columns = [obj._meta.get_field(name).attname for name in changed]  # type: ignore[union-attr]  # noqa: SLF001 - documented API
        picks = {
            picked_as: [item.pk for item in form.cleaned_data[name]]
            for name, (picked_as, _) in _PICKS.items()
            if name in form.changed_data
        }
        try:
            incidents.change(
                obj.pk, request.user.pk, {name: getattr(obj, name) for name in columns}, picks
            )
        except incidents.IncidentGone:
            messages.error(request, "Somebody removed the incident meanwhile.")

    @admin.display(description="tickets")
    def tickets(self, incident: Incident) -> str:
        rows = incident.external_tickets.order_by("created_at")[:_MOST]
        return lines(
            (
                reverse("admin:tickets_externalticket_change", args=[row.pk]),
                f"{row.key or 'to be made'}: {row.status} {row.problem}".rstrip(": "),
            )
            for row in rows
        )

    @admin.display(description="attachments")
    def attachments(self, incident: Incident) -> str:
        return downloads(incident.attachments.all())

    @admin.display(description="found by")
    def found_by(self, incident: Incident) -> str:
        return lines(places_of(incident))


def places_of(incident: Incident) -> Iterable[tuple[str, str]]:
    """Yield address and name of what an incident is linked with, at most a hundred of each kind."""
    steps = StepResultIncident.objects.filter(incident=incident).select_related(
        "step_result__run__assignment__script"
    )
    for step in steps[:_MOST]:
        script = step.step_result.run.assignment.script
        address = reverse("stepresult", args=[step.step_result_id])
        yield address, f"Step {step.step_result.position + 1} of {script.name}"
    agile = AgileRunStepIncident.objects.filter(incident=incident).select_related("step__run")
    for one in agile[:_MOST]:
        address = reverse("agilerun", args=[one.step.run_id])
        yield address, f"Step {one.step.position + 1} of {one.step.run.name}"
    nodes = ResultNodeIncident.objects.filter(incident=incident).select_related("node")
    for node in nodes[:_MOST]:
        address = reverse("admin:tickets_resultnode_change", args=[node.node_id])
        yield address, f"Result {node.node.name}"


def lines(links: Iterable[tuple[str, str]]) -> str:
    """Return addresses and names as links, one a line."""
    return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>', links) or "-"
