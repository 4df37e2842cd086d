"""SQLite: words in the FTS5 table `indexing_words`, whose rowid is the document's id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, repeat

from django.db import connection, transaction
from django.db.models import BooleanField, Expression, F, Func, Value

from indexing.rows import Documents, Relationship
from indexing.words import Term

BATCH = 1_000
CHARACTERS = 200_000
#: Nobody works meanwhile: the database is in this process.
PART = BATCH
#: Pages that one step of `optimize` merges at most; about 50 ms.
_MERGE_PAGES = 500

# What has not changed is not written again: a rebuild of a good index costs little more than reading.
_DOCUMENT = """
INSERT INTO indexing_document (account_id, entity_type, entity_id, project_id, name, name_key,
                               updated_at, fields)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (entity_type, entity_id) DO UPDATE SET
    account_id = excluded.account_id, project_id = excluded.project_id, name = excluded.name,
    name_key = excluded.name_key, updated_at = excluded.updated_at, fields = excluded.fields
WHERE account_id <> excluded.account_id OR project_id IS NOT excluded.project_id
    OR name <> excluded.name OR name_key <> excluded.name_key
    OR updated_at IS NOT excluded.updated_at OR fields <> excluded.fields
"""
# Deletes of a contentless table came with SQLite 3.43, so this one keeps its words.
_WORDS = """
INSERT OR REPLACE INTO indexing_words (rowid, name, text)
SELECT document.id, given.name, given.text
FROM (SELECT %s AS name, %s AS text) AS given, indexing_document AS document
    LEFT JOIN indexing_words AS stored ON stored.rowid = document.id
WHERE document.entity_type = %s AND document.entity_id = %s
    AND (stored.name IS NOT given.name OR stored.text IS NOT given.text)
"""


def ahead() -> AbstractContextManager[None]:
    """Do nothing: the database is in this process."""
    return nullcontext()


def write(documents: Documents, *, overwrite: bool) -> None:  # noqa: ARG001 - the one writer wins
    """Store documents; nobody else can have written since this transaction began to read."""
    entity_type = repeat(documents.entity_type)
    with connection.cursor() as cursor:
        cursor.executemany(
            _DOCUMENT,
            list(
                zip(
                    documents.accounts,
                    entity_type,
                    documents.ids,
                    documents.projects,
                    documents.names,
                    documents.name_keys,
                    documents.moments,
                    documents.fields,
                    strict=False,
                )
            ),
        )
        cursor.executemany(
            _WORDS,
            list(
                zip(
                    documents.name_words,
                    documents.text_words,
                    entity_type,
                    documents.ids,
                    strict=False,
                )
            ),
        )


_RELATIONSHIP = """
INSERT INTO indexing_relationship (account_id, type, source_id, destination_id)
VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def relate(relationships: Sequence[Relationship]) -> None:
    """Store relationships."""
    with connection.cursor() as cursor:
        cursor.executemany(_RELATIONSHIP, relationships)


def match(terms: Sequence[Term], *, name_only: bool) -> Expression:
    """Return `id IN (…)` over the words' table."""
    query = " AND ".join(map(_term, terms))
    return Func(
        F("id"),
        Value(f"name : ({query})" if name_only else query),
        template="%(expressions)s)",
        arg_joiner=" IN (SELECT rowid FROM indexing_words WHERE indexing_words MATCH ",
        output_field=BooleanField(),
    )


def _term(term: Term) -> str:
    word = f'"{term.word}" *'
    if not term.pieces:
        return word
    pieces = " AND ".join(f'"{piece}" *' for piece in term.pieces)
    return f"({word} OR ({pieces}))"


def sort_key(expression: Expression) -> Expression:
    """Return it as it is: SQLite compares bytes."""
    return expression


def optimize() -> Iterator[None]:
    """
    Merge the segments of the words' index a few pages at a time, until nothing is left.

    Statistics are not gathered: `PRAGMA optimize` would do so for whatever this connection has
    asked, the table of runs too, and a list would be walked by what was true of it that day.
    """
    # A negative count marks all segments to become one; positive ones then work at it.
    for pages in chain([-_MERGE_PAGES], repeat(_MERGE_PAGES)):
        with transaction.atomic(), connection.cursor() as cursor:
            before = connection.connection.total_changes
            cursor.execute(
                "INSERT INTO indexing_words (indexing_words, rank) VALUES ('merge', %s)", [pages]
            )
            changed = connection.connection.total_changes - before
        yield
        # The documented sign that a merge found nothing to do.
        if changed < 2:  # noqa: PLR2004
            return
