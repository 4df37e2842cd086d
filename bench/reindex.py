"""
How much of the database's own speed `Reindex` keeps.

    python -m bench.reindex [entities]

A rebuild from an empty index is timed, while every statement that it sends is written down. Then
the index is emptied again, and a plain driver connection, without Django, sends the same statements
with the same values in the same transactions. What that takes is all that the database itself asks
for; the ratio of the two is what is left of it. Goal: at least 0.9.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskcenter.settings")
django.setup()

from django.db import connection  # noqa: E402

from backgroundtasks.handlers import TaskContext  # noqa: E402
from backgroundtasks.models import Account  # noqa: E402
from indexing.handlers.reindex import Reindex  # noqa: E402
from tickets.models import AutomatedTest, Project  # noqa: E402

ENTITIES = 100_000
ROUNDS = 5
GOAL = 0.9

_WORDS = [
    "refund",
    "checkout",
    "invoice",
    "rounding",
    "session",
    "token",
    "browser",
    "upload",
    "export",
    "ledger",
    "currency",
    "shipping",
    "address",
    "retry",
    "timeout",
    "parser",
    "encoding",
    "login",
    "password",
    "discount",
    "basket",
]


@dataclass(frozen=True)
class Statement:
    """One call of a cursor."""

    sql: str
    params: Any
    many: bool
    in_transaction: bool


def measure(entities: int = ENTITIES, rounds: int = ROUNDS) -> float:
    """Print the table, and return the ratio; needs Django set up on a database of its own."""
    account_id = _fill(entities)
    ours, theirs = [], []
    for _ in range(rounds):
        _empty()
        statements: list[Statement] = []
        with connection.execute_wrapper(_recorder(statements)):
            _reindex(account_id)
        _empty()
        ours.append(_timed(lambda: _reindex(account_id)))
        _empty()
        replay = _sqlite(statements) if connection.vendor == "sqlite" else _postgres(statements)
        theirs.append(_timed(replay))
    # The best of each: what else the machine does only ever adds.
    mine, its = min(ours), min(theirs)
    ratio = its / mine
    print(f"Reindex of {entities} entities on {connection.vendor}, best of {rounds}")
    print(f"  Reindex              {mine:7.2f} s  {entities / mine:10,.0f} entities/s")
    print(f"  same statements bare {its:7.2f} s  {entities / its:10,.0f} entities/s")
    print(
        f"  ratio                {ratio:7.2f}    goal {GOAL}: {'met' if ratio >= GOAL else 'MISSED'}"
    )
    return ratio


def _fill(entities: int) -> uuid.UUID:
    account = Account.objects.create(name=f"bench {uuid.uuid4()}")
    project = Project.objects.create(account=account, name="Billing")
    tests = (
        AutomatedTest(
            account=account,
            project=project,
            name=f"org.example.{_word(n)}.{_word(n // 7).title()}Test.{_word(n // 3)}_is_{n}",
        )
        for n in range(entities - 1)
    )
    AutomatedTest.objects.bulk_create(tests, batch_size=2_000)
    return account.pk


def _word(number: int) -> str:
    return _WORDS[number % len(_WORDS)]


def _empty() -> None:
    """Make the database what it was before anything was indexed, down to its pages."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            tables = "indexing_document, indexing_relationship, indexing_rebuild"
            cursor.execute(f"TRUNCATE {tables}")
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
        return
    file = Path(connection.settings_dict["NAME"])
    pristine = file.with_suffix(".pristine")
    connection.close()
    if pristine.exists():
        file.with_name(f"{file.name}-wal").unlink(missing_ok=True)
        file.with_name(f"{file.name}-shm").unlink(missing_ok=True)
        shutil.copyfile(pristine, file)
    else:
        shutil.copyfile(file, pristine)
    connection.ensure_connection()


class _Nobody:
    """The engine's side of a context, without an engine."""

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """Say nothing."""

    def remember(self, memory: dict[str, Any]) -> None:
        """Keep nothing."""

    def stopping(self, *, safe: bool) -> None:
        """Never stop."""


def _reindex(account_id: uuid.UUID) -> None:
    context = TaskContext(
        _Nobody(),
        run_id=uuid.uuid4(),
        task_id=uuid.uuid4(),
        account_id=account_id,
        user_id=None,
        attempt=1,
    )
    Reindex().perform(context, Reindex.validated({}))


def _recorder(statements: list[Statement]) -> Callable[..., Any]:
    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        connection = context["connection"]
        kept = [tuple(each) for each in params] if many else params
        if not sql.startswith("BEGIN"):
            statements.append(Statement(sql, kept, many, connection.in_atomic_block))
        return execute(sql, kept, many, context)

    return record


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _sqlite(statements: list[Statement]) -> Callable[[], None]:
    settings = connection.settings_dict
    connection.close()
    bare = sqlite3.connect(settings["NAME"], isolation_level=None)
    for pragma in filter(None, settings["OPTIONS"]["init_command"].split(";")):
        bare.execute(pragma)
    prepared = [(each.sql.replace("%s", "?").replace("%%", "%"), each) for each in statements]

    def replay() -> None:
        cursor = bare.cursor()
        for sql, each in prepared:
            if each.in_transaction != bare.in_transaction:
                cursor.execute("BEGIN IMMEDIATE" if each.in_transaction else "COMMIT")
            if each.many:
                cursor.executemany(sql, each.params)
            else:
                cursor.execute(sql, each.params or ())
                cursor.fetchall()
        if bare.in_transaction:
            cursor.execute("COMMIT")
        bare.close()

    return replay


def _postgres(statements: list[Statement]) -> Callable[[], None]:
    parameters = connection.get_connection_params()
    bare = psycopg.connect(
        **{
            key: parameters[key]
            for key in ("host", "port", "user", "dbname", "password")
            if parameters.get(key)
        },
        autocommit=True,
        cursor_factory=psycopg.ClientCursor,
    )

    def replay() -> None:
        cursor = bare.cursor()
        inside = False
        for each in statements:
            if each.in_transaction != inside:
                cursor.execute("BEGIN" if each.in_transaction else "COMMIT")
                inside = each.in_transaction
            cursor.execute(each.sql, each.params)
            if cursor.description:
                cursor.fetchall()
        if inside:
            cursor.execute("COMMIT")
        bare.close()

    return replay


def main() -> None:
    """Measure on a test database of the installation's kind."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    try:
        measure(int(sys.argv[1]) if len(sys.argv) > 1 else ENTITIES)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
