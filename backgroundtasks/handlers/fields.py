"""Fields of parameters beside REST framework's own."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from rest_framework import serializers

_ZERO: Final = UUID(int=0)


class OptionalId(serializers.UUIDField):
    """A UUID in any letter case, or none: typed clients send zeros, or an empty text, for null."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the id, or None."""
        value = super().run_validation(None if data == "" else data)
        if value != _ZERO:
            return value
        return super().run_validation(None)
