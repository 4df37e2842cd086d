"""
`FieldValues` and `Widgets` of entities, and the `Widgets` of a project.

What a map of values looks like is the vendor's; which members a widget has, too. That `Widgets`
holds the custom fields only, and what each kind is called, is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api import kit
from tickets import custom_fields
from tickets.api import lookup
from tickets.custom_fields import Fields, ValueInvalid
from tickets.models import CustomField, FieldKind, FieldOf

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request

    from tickets.api.expanding import Found

EXPANDS: Final = ("Widgets", "FieldValues")
#: Kind -> `WidgetType`, `ValueType`.
WIDGETS: Final = {
    FieldKind.TEXT: ("TextBox", "String"),
    FieldKind.NUMBER: ("Number", "Decimal"),
    FieldKind.DATE: ("Date", "DateTime"),
    FieldKind.BOOLEAN: ("CheckBox", "Boolean"),
    FieldKind.CHOICE: ("ComboBox", "Picklist"),
}
#: Members of a project's widgets; external systems belong to no project.
OF_PROJECT: Final = (FieldOf.INCIDENT, FieldOf.SCRIPT_RUN, FieldOf.AGILE_RUN)


def expanded(
    request: Request,
    rows: Sequence[Any],
    expands: frozenset[str],
    entity_type: FieldOf,
    project_of: Callable[[Any], UUID | None] = lambda row: row.project_id,
) -> dict[str, Found]:
    """Return what `$expand` asks for of `EXPANDS`, by one query at most."""
    wanted = expands & set(EXPANDS)
    if not wanted:
        return {}
    projects = {row.pk: project_of(row) for row in rows}
    fields = _fields(request, entity_type, projects.values())
    found: dict[str, Found] = {}
    if "Widgets" in wanted:
        found["Widgets"] = {
            pk: [widget(field) for field in fields.of(project)] for pk, project in projects.items()
        }
    if "FieldValues" in wanted:
        found["FieldValues"] = {
            row.pk: {
                field.name: custom_fields.shown(field, row.field_values)
                for field in fields.of(projects[row.pk])
            }
            for row in rows
        }
    return found


def of_projects(request: Request, rows: Iterable[Any]) -> Found:
    """Return the widgets of projects, by type of entity; one query for each type."""
    projects = list(rows)
    fields = {kind: _fields(request, kind, [row.pk for row in projects]) for kind in OF_PROJECT}
    return {
        row.pk: {
            "ProjectId": row.pk,
            "ProjectName": row.name,
            **{
                kind.value: {
                    "EntityType": kind.value,
                    "Widgets": [widget(field) for field in fields[kind].of(row.pk)],
                }
                for kind in OF_PROJECT
            },
        }
        for row in projects
    }


def widget(field: CustomField) -> dict[str, Any]:
    """Return a custom field as a form shows it; `Options` are ours."""
    widget_type, value_type = WIDGETS[FieldKind(field.kind)]
    return {
        "FieldCategory": "Custom",
        "Name": field.name,
        "Label": field.label or field.name,
        "WidgetType": widget_type,
        "ValueType": value_type,
        "ItemId": field.pk,
        "Required": field.required,
        "ReadOnly": False,
        "TabIndex": field.order_number,
        "Hidden": False,
        "FormName": field.name,
        "Description": field.description or None,
        "Options": [custom_fields.option(field, text) for text in field.choices],
    }


def fill(row: Any, given: Mapping[str, Any], entity_type: FieldOf, project_id: UUID | None) -> None:
    """
    Put the values that a request gives into a row: null and no `FieldValues` leave them.

    Raises:
        Refused: no such field, a value that does not fit, or none where one is required.
    """
    is_new = row._state.adding  # noqa: SLF001 - documented API
    values = given.get("FieldValues") or {}
    if not values and not is_new:
        return
    fields = Fields(row.account_id, entity_type, [project_id] if project_id else [])
    try:
        row.field_values = fields.merged(project_id, row.field_values, values, whole=is_new)
    except ValueInvalid as error:
        raise kit.Refused(f"FieldValues: {error}") from None


def _fields(request: Request, entity_type: FieldOf, projects: Iterable[UUID | None]) -> Fields:
    there = [project for project in projects if project is not None]
    return Fields(lookup.actor(request).account.pk, entity_type, there)
