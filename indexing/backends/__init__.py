"""The databases that the index can live in, behind one protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from django.db import connection
from django.db.models import Expression

from indexing.rows import Documents, Relationship
from indexing.words import Term


class Backend(Protocol):
    """What a module of this package gives. Every write takes part in the caller's transaction."""

    #: Documents that one transaction of a rebuild writes at most; a few tens of milliseconds.
    BATCH: int
    #: Characters of their names and texts, for the same reason; one document may have more.
    CHARACTERS: int
    #: Documents that one call of `write` takes best.
    PART: int

    def ahead(self) -> AbstractContextManager[None]:
        """
        Let the database work on what is written inside while we make the next part.

        Errors may come as late as the end of the block. For writes only.
        """

    def write(self, documents: Documents, *, overwrite: bool) -> None:
        """
        Store documents with their words.

        Args:
            documents: Of one entity type.
            overwrite: Replace what is stored of the same entities; otherwise leave it alone.
        """

    def relate(self, relationships: Sequence[Relationship]) -> None:
        """Store relationships; those that are there already stay."""

    def match(self, terms: Sequence[Term], *, name_only: bool) -> Expression:
        """Return the condition on `Document` that all terms occur, each as a word's beginning."""

    def sort_key(self, expression: Expression) -> Expression:
        """Return the text expression so that it is ordered by code point."""

    def optimize(self) -> Iterator[None]:
        """Make the index smaller and faster in steps, each in its own short transaction."""


def current() -> Backend:
    """Return the backend of the database at hand."""
    from indexing.backends import postgres, sqlite  # noqa: PLC0415 - they import this package

    return postgres if connection.vendor == "postgresql" else sqlite
