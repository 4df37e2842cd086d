"""PostgreSQL: words in the column `words`, a tsvector under a GIN index; a name's have weight A."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Expression, F, Func, Value
from django.db.models.functions import Collate
from django.db.models.sql.compiler import SQLCompiler

from indexing.rows import Documents, Relationship
from indexing.words import MAX_WORD, Term

BATCH = 2_000
CHARACTERS = 400_000
PART = 500

_INSERT = """
INSERT INTO indexing_document (account_id, entity_type, entity_id, project_id, name, name_key,
                               updated_at, fields, words)
SELECT account_id, %s, entity_id, project_id, name, name_key, updated_at, fields, words
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[],
            %s::jsonb[], %s::tsvector[])
     AS given (account_id, entity_id, project_id, name, name_key, updated_at, fields, words)
ON CONFLICT (entity_type, entity_id) DO
"""
# What has not changed is not written again: a rebuild of a good index leaves no dead rows.
_OVERWRITE = """
UPDATE SET
    account_id = excluded.account_id, project_id = excluded.project_id, name = excluded.name,
    name_key = excluded.name_key, updated_at = excluded.updated_at, fields = excluded.fields,
    words = excluded.words
WHERE (indexing_document.account_id, indexing_document.project_id, indexing_document.name,
       indexing_document.name_key, indexing_document.updated_at, indexing_document.fields,
       indexing_document.words)
    IS DISTINCT FROM (excluded.account_id, excluded.project_id, excluded.name, excluded.name_key,
                      excluded.updated_at, excluded.fields, excluded.words)
"""


@contextmanager
def ahead() -> Iterator[None]:
    """Send statements without waiting for their results, until the end of the block."""
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def write(documents: Documents, *, overwrite: bool) -> None:
    """Store documents in one statement."""
    names = _marked_all(documents.name_words, ":1A")
    texts = _marked_all(documents.text_words, ":1")
    vectors = [f"{name} {text}" for name, text in zip(names, texts, strict=True)]
    columns = (
        documents.accounts,
        documents.ids,
        documents.projects,
        documents.names,
        documents.name_keys,
        documents.moments,
        documents.fields,
        vectors,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT + (_OVERWRITE if overwrite else "NOTHING"),
            [documents.entity_type, *map(_array, columns)],
        )


def _array(values: Sequence[Any]) -> str:
    """Return the text form of an array of texts and NULLs; the driver would look at each value."""
    if None in values:
        each_of = ("NULL" if each is None else _array([each])[1:-1] for each in values)
        return "{" + ",".join(each_of) + "}"
    # No text of PostgreSQL's holds NUL.
    escaped = "\0".join(values).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace("\0", '","') + '"}'


def _marked_all(words: Sequence[str], mark: str) -> list[str]:
    """
    Return words as parts of tsvectors' text form, as one text where that can be.

    Our words need no quotes. The position is always 1: it is there to carry the weight, and a word
    without one has all weights.
    """
    if len(max(words, key=len, default="")) > MAX_WORD:
        return [_marked(each, mark) for each in words]
    joined = "\0".join(words)
    while "  " in joined:
        joined = joined.replace("  ", " ")
    joined = joined.replace(" \0", "\0").replace("\0 ", "\0").strip(" ")
    marked = joined.replace(" ", f"{mark} ").replace("\0", f"{mark}\0") + mark
    return ["" if each == mark else each for each in marked.split("\0")]


def _marked(words: str, mark: str) -> str:
    each = words.split()
    if len(words) > MAX_WORD:
        each = [word[:MAX_WORD] for word in each]
    return f"{mark} ".join(each) + mark if each else ""


_RELATIONSHIPS = """
INSERT INTO indexing_relationship (account_id, type, source_id, destination_id)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[]) ON CONFLICT DO NOTHING
"""


def relate(relationships: Sequence[Relationship]) -> None:
    """Store relationships in one statement."""
    if relationships:
        with connection.cursor() as cursor:
            cursor.execute(
                _RELATIONSHIPS, [list(each) for each in zip(*relationships, strict=True)]
            )


class _Words(Func):
    """The column `words` of the document whose id is given."""

    template = "%(expressions)s"

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:  # type: ignore[override]
        sql, params = super().as_sql(compiler, connection, **extra)
        return sql.replace('"id"', '"words"'), params


def match(terms: Sequence[Term], *, name_only: bool) -> Expression:
    """Return `words @@ …`."""
    query = " & ".join(_term(term, "*A" if name_only else "*") for term in terms)
    return Func(
        _Words(F("id")),
        Value(query),
        template="%(expressions)s::tsquery",
        arg_joiner=" @@ ",
        output_field=BooleanField(),
    )


def _term(term: Term, label: str) -> str:
    word = f"'{term.word}':{label}"
    if not term.pieces:
        return word
    pieces = " & ".join(f"'{piece}':{label}" for piece in term.pieces)
    return f"({word} | ({pieces}))"


def sort_key(expression: Expression) -> Expression:
    """Return it in the collation that compares code points."""
    return Collate(expression, "C")


def optimize() -> Iterator[None]:
    """Take up the pending entries of the GIN index, drop dead rows, and renew the statistics."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('indexing_document_words')")
        yield
        # VACUUM does not run in a transaction; a caller that is in one gets the statistics only.
        vacuum = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
        for table in ("indexing_document", "indexing_relationship"):
            cursor.execute(f"{vacuum} {table}")
            yield
