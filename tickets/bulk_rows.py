"""Rows by the thousand, past the ORM: making objects of them would take most of the time."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection, models

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db.models import Model

Row = tuple[Any, ...]


class Columns:
    """
    The columns of a model, in their order.

    Values are given as the driver takes them: ids as 32 hex digits, JSON as text, moments by
    `stored_moment`.
    """

    def __init__(self, model: type[Model]) -> None:
        meta = model._meta  # noqa: SLF001 - Django's documented model API
        self._table = meta.db_table
        fields = meta.concrete_fields
        #: Where a row says nothing; moments and ids have to be given.
        self._defaults: Final[dict[str, Any]] = {
            field.attname: None if callable(field.default) else _default(field) for field in fields
        }

    def row(self, **values: Any) -> Row:
        """Return a row; a column of another name is an error."""
        row = {**self._defaults, **values}
        if len(row) != len(self._defaults):
            raise TypeError(f"No columns: {sorted(values.keys() - self._defaults.keys())}.")
        return tuple(row.values())

    def insert(self, rows: Sequence[Row]) -> None:
        """Insert rows, in the caller's transaction."""
        if not rows:
            return
        quote = connection.ops.quote_name
        table = quote(self._table)
        columns = ", ".join(quote(column) for column in self._defaults)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                places = ", ".join(["%s"] * len(self._defaults))
                insert = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - our own names
                cursor.executemany(insert, rows)


def stored_moment(moment: datetime | None) -> Any:
    """Return a moment as the driver takes it."""
    return None if moment is None else connection.ops.adapt_datetimefield_value(moment)


def numbered_id(prefix: UUID, number: int) -> str:
    """Return the id of one of many: they differ in their last eight digits, and sort as they come."""
    return f"{prefix.hex[:24]}{number:08x}"


def _default(field: models.Field[Any, Any]) -> Any:
    value = field.get_default()
    return value.value if isinstance(value, Enum) else value
