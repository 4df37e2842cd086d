"""
JSON types of a body, before a serializer looks at it.

REST framework's fields convert: a number is taken for a text, `"yes"` for true. This API
answers a wrong type with 400, so the types are compared first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rest_framework import fields, serializers

from backgroundtasks.api.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The first class that a field is an instance of decides; others take what they take.
_TYPES: Final[tuple[tuple[type[Any], tuple[type[Any], ...], str], ...]] = (
    (fields.BooleanField, (bool,), "true or false"),
    (fields.IntegerField, (int,), "a whole number"),
    (fields.FloatField, (int, float), "a number"),
    (fields.DecimalField, (int, float), "a number"),
    (fields.DictField, (dict,), "an object"),
    (fields.ListField, (list,), "an array"),
    (serializers.ListSerializer, (list,), "an array"),
    (serializers.Serializer, (dict,), "an object"),
    (fields.CharField, (str,), "a text"),
    (fields.UUIDField, (str,), "a text"),
    (fields.DateTimeField, (str,), "a text"),
    (fields.DateField, (str,), "a text"),
)


def require(serializer: serializers.Serializer[Any], given: Mapping[str, Any]) -> None:
    """
    Refuse members whose JSON type is not the field's, at any depth; null is the serializer's to judge.

    Raises:
        BadRequest: names the first such member.
    """
    for name, field in serializer.fields.items():
        if not field.read_only:
            _require(name, field, given.get(name))


def _require(name: str, field: Any, value: Any) -> None:
    if value is None:
        return
    for known, kinds, words in _TYPES:
        if isinstance(field, known):
            if not _fits(value, kinds):
                raise BadRequest(f"The member {name} must be {words}.")
            break
    if isinstance(field, serializers.Serializer):
        for inner, its in field.fields.items():
            _require(f"{name}.{inner}", its, value.get(inner))
    elif isinstance(value, list) and hasattr(field, "child"):
        for number, one in enumerate(value):
            _require(f"{name}[{number}]", field.child, one)


def _fits(value: Any, kinds: tuple[type[Any], ...]) -> bool:
    """Whether a JSON value is of one of these types; 5.0 is a whole number, true is none."""
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, float) and value.is_integer():
        return int in kinds
    return isinstance(value, kinds)
