"""A serializer's fields as JSON Schema (2020-12), for clients that build forms or check input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rest_framework import fields, serializers

from backgroundtasks.handlers import SecretField

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer

#: The first class that a field is an instance of decides.
_SCALARS: Final[tuple[tuple[type[Any], dict[str, Any]], ...]] = (
    (fields.BooleanField, {"type": "boolean"}),
    (fields.IntegerField, {"type": "integer"}),
    (fields.FloatField, {"type": "number"}),
    (fields.DecimalField, {"type": "number"}),
    (fields.UUIDField, {"type": "string", "format": "uuid"}),
    (fields.DateTimeField, {"type": "string", "format": "date-time"}),
    (fields.DateField, {"type": "string", "format": "date"}),
    (fields.TimeField, {"type": "string", "format": "time"}),
    (fields.DurationField, {"type": "string"}),
    (fields.EmailField, {"type": "string", "format": "email"}),
    (fields.URLField, {"type": "string", "format": "uri"}),
    (SecretField, {"type": "string", "writeOnly": True}),
    (fields.CharField, {"type": "string"}),
)
_LIMITS: Final = {
    "min_value": "minimum",
    "max_value": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
}


def of_serializer(serializer: Serializer[Any], *, closed: bool = True) -> dict[str, Any]:
    """
    Return the schema of an object that the serializer takes.

    Args:
        serializer: An instance; fields that are read-only or hidden are left out.
        closed: Members that it does not declare are refused.
    """
    taken = {
        name: field
        for name, field in serializer.fields.items()
        if not field.read_only and not isinstance(field, fields.HiddenField)
    }
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: of_field(field) for name, field in taken.items()},
    }
    required = [name for name, field in taken.items() if field.required]
    if required:
        schema["required"] = required
    if closed:
        schema["additionalProperties"] = False
    return schema


def of_field(field: Any) -> dict[str, Any]:
    """
    Return the schema of one field; one of an unknown class takes any value.

    A field class that takes something else than its base says so by `json_schema`.
    """
    schema = _shape(field)
    if field.help_text:
        schema["description"] = str(field.help_text)
    default = field.default
    if default is not fields.empty and not callable(default):
        schema["default"] = None if default is None else field.to_representation(default)
    if field.allow_null and "anyOf" in schema:
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    if field.allow_null and "type" in schema:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _shape(field: Any) -> dict[str, Any]:
    own: dict[str, Any] | None = getattr(field, "json_schema", None)
    if own is not None:
        return dict(own)
    if isinstance(field, serializers.ListSerializer | fields.ListField):
        return {"type": "array", "items": of_field(field.child)}
    if isinstance(field, fields.DictField):
        return {"type": "object", "additionalProperties": of_field(field.child)}
    if isinstance(field, serializers.Serializer):
        return of_serializer(field, closed=False)
    if isinstance(field, fields.ChoiceField):
        return _choice(field)
    return _scalar(field)


def _choice(field: Any) -> dict[str, Any]:
    choices = list(field.choices)
    if isinstance(field, fields.MultipleChoiceField):
        return {"type": "array", "items": {"enum": choices}, "uniqueItems": True}
    kind = "integer" if all(isinstance(choice, int) for choice in choices) else "string"
    return {"type": kind, "enum": choices}


def _scalar(field: Any) -> dict[str, Any]:
    for known, scalar in _SCALARS:
        if isinstance(field, known):
            return {**scalar, **_limits(field, scalar)}
    return {}


def _limits(field: Any, scalar: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of a number or text."""
    found = {
        word: getattr(field, name)
        for name, word in _LIMITS.items()
        if getattr(field, name, None) is not None
    }
    if scalar["type"] == "string" and not getattr(field, "allow_blank", True):
        found.setdefault("minLength", 1)
    return found
