"""What can be wrong with a query."""

from __future__ import annotations

from indexing.tql.syntax import Position


class QueryInvalid(Exception):
    """
    The query cannot be understood, or names something that is not there.

    Its text is for the person who wrote the query: what is wrong, where, and what would be right.
    """

    code = "query_invalid"

    def __init__(self, problem: str, position: Position) -> None:
        super().__init__(
            f"The query is not valid at line {position.line}, column {position.column}: {problem}"
        )
        self.problem = problem
        self.position = position
