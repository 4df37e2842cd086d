"""
Custom fields: which there are, what a value may be, and how values are stored.

An entity's `field_values` is `{field's id: value}`, or None. Texts, numbers and true or false stand
there as they are, a choice as its text, a date as `{"moment": "2026-06-17T12:00:00"}` in UTC.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from django.db.models import Q
from django.utils.dateparse import parse_date, parse_datetime

from indexing.sources import Kind
from tickets import visibility
from tickets.models import CustomField, FieldKind, FieldOf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Characters of a text.
LONGEST: Final = 4_000
_MOMENT: Final = "moment"
_NO_ID: Final = (None, "", str(UUID(int=0)))
#: How search compares values.
_COMPARED: Final = {
    FieldKind.TEXT: Kind.TEXT,
    FieldKind.CHOICE: Kind.TEXT,
    FieldKind.NUMBER: Kind.NUMBER,
    FieldKind.DATE: Kind.MOMENT,
    FieldKind.BOOLEAN: Kind.FLAG,
}


class ValueInvalid(Exception):
    """A value that its field does not take; the text is for people."""


class Fields:
    """The fields of one type of entity of an account; one query, whatever has them."""

    def __init__(self, account_id: UUID, entity_type: FieldOf, projects: Iterable[UUID]) -> None:
        """Read those of these projects, and those of all."""
        found = CustomField.objects.filter(
            Q(project=None) | Q(project__in=set(projects)),
            account=account_id,
            entity_type=entity_type,
        )
        self._entity_type = entity_type
        self._of: defaultdict[UUID | None, list[CustomField]] = defaultdict(list)
        for field in found.order_by("order_number", "name", "pk"):
            self._of[field.project_id].append(field)

    def of(self, project_id: UUID | None) -> list[CustomField]:
        """Return the fields of an entity of a project, in their order; None: of no project."""
        both = [*self._of[None], *(self._of[project_id] if project_id is not None else ())]
        return sorted(both, key=lambda field: (field.order_number, field.name, field.pk))

    def merged(
        self,
        project_id: UUID | None,
        stored: Mapping[str, Any] | None,
        given: Mapping[str, Any],
        *,
        whole: bool = False,
    ) -> dict[str, Any] | None:
        """
        Return what an entity stores when it is given values by the names of their fields.

        Args:
            project_id: Of the entity.
            stored: What it has now; what is not given stays.
            given: Names fit in any letter case; None takes a value away.
            whole: The entity is new: what is required must be there.

        Raises:
            ValueInvalid: no such field, a value that does not fit, or none where one is required.
        """
        fields = self.of(project_id)
        by_name = {field.name.lower(): field for field in fields}
        values = dict(stored or {})
        for name, value in given.items():
            field = by_name.get(name.lower())
            if field is None:
                raise ValueInvalid(self._unknown(name, fields))
            before = values.pop(field.pk.hex, None)
            if value is not None:
                values[field.pk.hex] = _stored(field, value, before)
            elif field.required:
                raise ValueInvalid(f"{field.name}: This field is required.")
        if whole:
            for field in fields:
                if field.required and field.pk.hex not in values:
                    raise ValueInvalid(f"{field.name}: This field is required.")
        return values or None

    def _unknown(self, name: str, fields: list[CustomField]) -> str:
        there = ", ".join(field.name for field in fields) or "none"
        return (
            f"There is no custom field {name[:60]!r} of {self._entity_type.value}; "
            f"there are: {there}."
        )


def shown(field: CustomField, values: Mapping[str, Any] | None) -> Any:
    """Return an entity's value of a field as clients see it; None without one."""
    value = (values or {}).get(field.pk.hex)
    if value is None:
        return None
    if field.kind == FieldKind.DATE:
        return f"{value[_MOMENT]}Z"
    if field.kind == FieldKind.CHOICE:
        return option(field, value)
    return value


def option(field: CustomField, text: str) -> dict[str, Any]:
    """Return a choice with its id, which follows from its text."""
    return {"Id": uuid5(field.pk, text), "Text": text}


def searched(account_id: UUID, name: str) -> list[tuple[Kind, str]]:
    """Return how the fields of a name, in any letter case, are compared, and where values stand."""
    named = CustomField.objects.filter(account=account_id, name__iexact=name)
    named = named.exclude(project__in=visibility.hidden_projects())
    return [(_COMPARED[FieldKind(kind)], pk.hex) for pk, kind in named.values_list("pk", "kind")]


def _stored(field: CustomField, value: Any, before: Any) -> Any:
    match FieldKind(field.kind):
        case FieldKind.TEXT:
            return _text(field, value)
        case FieldKind.NUMBER:
            return _number(field, value)
        case FieldKind.BOOLEAN:
            if not isinstance(value, bool):
                raise ValueInvalid(f"{field.name} must be true or false.")
            return value
        case FieldKind.DATE:
            return {_MOMENT: _moment(field, value)}
        case FieldKind.CHOICE:
            return _choice(field, value, before)


def _text(field: CustomField, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST:
        raise ValueInvalid(f"{field.name} must be a text of at most {LONGEST:,} characters.")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueInvalid(f"{field.name} holds a character that cannot be stored.")
    return value


def _number(field: CustomField, value: Any) -> float | int:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        fits = fits and math.isfinite(float(value))
    except OverflowError:
        fits = False
    if not fits:
        raise ValueInvalid(f"{field.name} must be a number.")
    number: float | int = value
    return number


def _moment(field: CustomField, value: Any) -> str:
    """Return a moment in UTC, to the second; a day is its first moment."""
    problem = ValueInvalid(f"{field.name} must be a date such as 2026-06-17T12:00:00Z.")
    if not isinstance(value, str):
        raise problem
    try:
        moment = parse_datetime(value)
        if moment is None and (day := parse_date(value)) is not None:
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if moment is None:
            raise problem
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()
    except (ValueError, OverflowError):
        raise problem from None


def _choice(field: CustomField, value: Any, before: Any) -> str:
    """Return the text of a choice: it is named as clients were shown it, by its text, or by its id."""
    # What was chosen before may be sent back, although it is no choice any more.
    texts = [*field.choices, *([before] if isinstance(before, str) else [])]
    named = value
    if isinstance(value, dict):
        # The vendor's clients send zeros, or nothing, for no id.
        named = value.get("Id") if value.get("Id") not in _NO_ID else value.get("Text")
    if isinstance(named, str):
        by_id = {str(uuid5(field.pk, one)): one for one in texts}
        found = named if named in texts else by_id.get(named.lower())
        if found is not None:
            return found
    raise ValueInvalid(f"{field.name} must be one of {', '.join(field.choices)}.")
