"""
Secret parameters: sealed at rest, masked wherever people look, open only to the handler.

A handler declares them with `SecretField`, at any depth of its serializer. A sealed value
is stored as `{"$sealed": "<Fernet token>"}`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from rest_framework import serializers

from backgroundtasks import exceptions
from backgroundtasks.handlers import data_keys

if TYPE_CHECKING:
    from django.db.models import Model

MASK: Final = "********"
#: The one name of the object that stands for a sealed value.
SEALED: Final = "$sealed"

#: JSON columns of other apps that hold sealed values, as `(model, column)`.
_columns: dict[tuple[type[Model], str], None] = {}


class SecretField(serializers.CharField):
    """A text that nobody but the handler sees again."""

    def __init__(self, **kwargs: Any) -> None:
        """Take what `CharField` takes."""
        kwargs.setdefault("trim_whitespace", False)
        kwargs["style"] = {"input_type": "password", **kwargs.get("style", {})}
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Refuse the mask: whoever sends it has read it somewhere, and does not know the secret."""
        if data == MASK:
            raise serializers.ValidationError(f"{MASK} stands for a secret, and is none.")
        return super().to_internal_value(data)


def seal(field: serializers.Field[Any, Any, Any, Any], value: Any) -> Any:
    """Return `value` (JSON, as `field` wrote it) with every secret in it sealed."""
    return _walk(field, value, lambda text: {SEALED: _cipher().encrypt(text.encode()).decode()})


def seal_object(value: dict[str, Any]) -> dict[str, str]:
    """Return a JSON object as one sealed value, for a column that `register_column` names."""
    return {SEALED: _cipher().encrypt(json.dumps(value).encode()).decode()}


def unseal_object(sealed: dict[str, str]) -> dict[str, Any]:
    """
    Return what `seal_object` sealed.

    Raises:
        SecretUnreadable: none of the data keys opens it.
    """
    value: dict[str, Any] = json.loads(unseal(sealed))
    return value


def register_column(model: type[Model], column: str) -> None:
    """Let a rotation of the data keys reach a JSON column; in `AppConfig.ready()`."""
    _columns[model, column] = None


def registered_columns() -> list[tuple[type[Model], str]]:
    """Return the columns that apps named, in the order in which they did."""
    return list(_columns)


def is_sealed(value: dict[Any, Any]) -> bool:
    """Return whether an object of stored JSON stands for a sealed value."""
    return len(value) == 1 and SEALED in value


def unseal(value: Any) -> Any:
    """
    Return stored JSON with every sealed value opened.

    Raises:
        SecretUnreadable: none of the data keys opens it.
    """
    if isinstance(value, dict):
        if is_sealed(value):
            try:
                return _cipher().decrypt(value[SEALED].encode()).decode()
            except InvalidToken:
                raise exceptions.SecretUnreadable from None
        return {name: unseal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [unseal(inner) for inner in value]
    return value


def mask(value: Any) -> Any:
    """Return stored JSON with every sealed value shown as `********`."""
    if isinstance(value, dict):
        if is_sealed(value):
            return MASK
        return {name: mask(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [mask(inner) for inner in value]
    return value


def restored(given: Any, stored: Any) -> Any:
    """Return what was given, each `********` in it replaced by the secret stored in its place."""
    if given == MASK and isinstance(stored, dict) and is_sealed(stored):
        return unseal(stored)
    if isinstance(given, dict) and isinstance(stored, dict):
        return {name: restored(inner, stored.get(name)) for name, inner in given.items()}
    if isinstance(given, list) and isinstance(stored, list) and len(given) == len(stored):
        return [restored(inner, known) for inner, known in zip(given, stored, strict=True)]
    return given


def rotate(value: Any) -> Any:
    """
    Return stored JSON with every sealed value sealed anew under the first data key.

    Raises:
        SecretUnreadable: none of the data keys opens it.
    """
    if isinstance(value, dict):
        if is_sealed(value):
            try:
                return {SEALED: _cipher().rotate(value[SEALED].encode()).decode()}
            except InvalidToken:
                raise exceptions.SecretUnreadable from None
        return {name: rotate(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rotate(inner) for inner in value]
    return value


def opened(value: Any) -> list[str]:
    """Return the secret texts within stored JSON that can be read, to cut them from logs."""
    if isinstance(value, dict):
        if is_sealed(value):
            try:
                return [unseal(value)]
            except exceptions.SecretUnreadable:
                return []
        return [text for inner in value.values() for text in opened(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in opened(inner)]
    return []


def _walk(field: Any, value: Any, change: Any) -> Any:
    """Return `value` with `change` applied to the texts that stand under a `SecretField`."""
    if value is None:
        return None
    if isinstance(field, SecretField):
        return change(str(value))
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return [_walk(field.child, inner, change) for inner in value]
    if isinstance(field, serializers.DictField):
        return {name: _walk(field.child, inner, change) for name, inner in value.items()}
    if isinstance(field, serializers.BaseSerializer) and isinstance(value, dict):
        fields = getattr(field, "fields", {})
        return {
            name: _walk(fields[name], inner, change) if name in fields else inner
            for name, inner in value.items()
        }
    return value


def _cipher() -> MultiFernet:
    """Return the cipher of all data keys; the first one encrypts."""
    return MultiFernet([Fernet(key) for key in data_keys.current()])
