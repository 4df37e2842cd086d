"""Whether a task has a label, as both databases ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, Expression, F

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler


class Labelled(Expression):
    """
    A condition of `filter()`: there is a label of this name, and of this value if one is given.

    Django's own lookups take a name like `7` for a place in a list, and SQLite has none for
    a part of an object.
    """

    conditional = True
    output_field = BooleanField()

    def __init__(self, labels: str, name: str, value: str | None = None) -> None:
        """
        Ask for a label.

        Args:
            labels: The path of the column: `task__labels`.
            name: Of the label.
            value: None: any.
        """
        super().__init__()
        self._labels: Any = F(labels)
        self._given = [name] if value is None else [name, value]

    def get_source_expressions(self) -> list[Any]:
        """Return the column."""
        return [self._labels]

    def set_source_expressions(self, exprs: Any) -> None:
        """Take the column, resolved."""
        (self._labels,) = exprs

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return the condition."""
        column, parameters = compiler.compile(self._labels)
        if connection.vendor == "sqlite":
            value = " AND atom = %s" if self._given[1:] else ""
            sql = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE key = %s{value})"  # noqa: S608 - a column
        elif self._given[1:]:
            sql = f"({column} @> jsonb_build_object(%s::text, %s::text))"
        else:
            sql = f"jsonb_exists({column}, %s)"
        return sql, (*parameters, *self._given)
