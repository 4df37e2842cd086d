"""The condition that a document is related, directly or over others, to one that fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Expression, F, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from indexing.models import Document

#: Relationships that one may lead over; the same direction all the way.
MAX_DEPTH = 5


# From the document outwards, so that it costs what hangs together with it and no more.
_EXISTS = """
EXISTS (
    WITH RECURSIVE walk (entity_id, depth, direction, type) AS (
        SELECT destination_id, 1, 'outgoing', type FROM indexing_relationship
        WHERE source_id = {outer}
        UNION
        SELECT source_id, 1, 'incoming', type FROM indexing_relationship
        WHERE destination_id = {outer}
        UNION
        SELECT CASE walk.direction WHEN 'outgoing' THEN step.destination_id ELSE step.source_id END,
               walk.depth + 1, walk.direction, step.type
        FROM walk JOIN indexing_relationship AS step
             ON (walk.direction = 'outgoing' AND step.source_id = walk.entity_id)
             OR (walk.direction = 'incoming' AND step.destination_id = walk.entity_id)
        WHERE walk.depth < {depth}
    )
    SELECT 1 FROM walk WHERE {condition}
)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the condition on one step of the walk."""

    sql: str
    params: tuple[Any, ...] = ()
    #: The piece is: the entity that the step reaches has one of these documents.
    documents: QuerySet[Document] | None = None


def joined(parts: Sequence[tuple[Part, ...]], word: str) -> tuple[Part, ...]:
    """Return `(a AND b AND c)`."""
    pieces: list[Part] = []
    for part in parts:
        pieces += [Part(f" {word} " if pieces else "("), *part]
    return (*pieces, Part(")"))


class RelatedTo(Expression):
    """A condition on `Document`: some step of the walk from it fits all the parts."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        super().__init__(output_field=BooleanField())
        self._parts = parts
        self._outer: Any = F("entity_id")

    def get_source_expressions(self) -> list[Any]:
        """Return the column that the walk starts from."""
        return [self._outer]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        """Take it, resolved."""
        (self._outer,) = exprs

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL."""
        outer, params = compiler.compile(self._outer)
        pieces, given = [], [*params, *params]
        for part in self._parts:
            sql, more = part.sql, part.params
            if part.documents is not None:
                ids = part.documents.values("entity_id").query
                inner, more = ids.get_compiler(connection=connection).as_sql()
                sql = f"walk.entity_id IN ({inner})"
            pieces.append(sql)
            given += more
        condition = "".join(pieces)
        return _EXISTS.format(outer=outer, depth=MAX_DEPTH, condition=condition), tuple(given)
