"""
Rows of an import: written where nobody sees them, shown at once, or removed.

    staging = Staging.begin(...)
    staging.add(nodes)          # again and again
    staging.show(totals, ...)   # or discard(staging.run_id)

SQLite has one writer, so no transaction here lasts longer than a batch.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connection, transaction

from backgroundtasks import clock
from indexing import documents
from tickets import attachments, conf
from tickets.bulk_rows import Columns, Row, stored_moment
from tickets.models import Attachment, AutomatedTestAssignment, AutomatedTestRun, ResultNode, Stage
from tickets.results.node import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.db.models import QuerySet

    from tickets.results.node import Node
    from tickets.results.totals import Totals

#: Nodes written by one transaction: 20 to 40 ms.
BATCH_ROWS: Final = 2_000
#: Text written by one transaction, in characters.
BATCH_TEXT: Final = 4_000_000
#: Nodes removed by one transaction.
BATCH_REMOVED: Final = 5_000
#: Runs whose nodes are removed together: most have few.
_TOGETHER: Final = 100
#: Documents of nodes that one transaction drops from the search index.
BATCH_UNINDEXED: Final = 500

#: The columns of `node_row`.
NODES: Final = Columns(ResultNode)
#: Those that may hold long texts.
_TEXTS: Final = slice(13, 17)
_ATTENTION: Final = (Status.FAILED, Status.ERROR)


class RunTakenAway(Exception):
    """Another attempt of the import, or a person, took the staged run away from this one."""


class Staging:
    """The rows that one attempt of an import writes."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self._prefix = uuid.uuid4().hex[:24]
        self._rows: list[Row] = []
        self._text = 0

    @classmethod
    def begin(
        cls, assignment: AutomatedTestAssignment, *, import_id: UUID, run_by_id: int | None
    ) -> Staging:
        """Make the run that nobody sees yet."""
        run = AutomatedTestRun.objects.create(
            account_id=assignment.account_id,
            assignment=assignment,
            import_id=import_id,
            run_by_id=run_by_id,
        )
        return cls(run.pk)

    def add(self, nodes: Iterable[Node]) -> bool:
        """
        Take nodes; return whether a batch was written.

        Raises:
            IntegrityError: the run was removed meanwhile: this attempt is no longer the one.
        """
        written = False
        run = self.run_id.hex
        for node in nodes:
            row = node_row(node, run=run, prefix=self._prefix)
            self._rows.append(row)
            self._text += sum(len(text) for text in row[_TEXTS] if text)
            if len(self._rows) >= BATCH_ROWS or self._text >= BATCH_TEXT:
                self._write()
                written = True
        return written

    def node_id(self, position: int) -> UUID:
        """Return the id of the node that begins at a place in the report."""
        return UUID(f"{self._prefix}{position:08x}")

    def show(
        self, totals: Totals, *, started_at: datetime | None, finished_at: datetime | None
    ) -> None:
        """
        Write what is left, then show all of it to everybody, in one short transaction.

        Raises:
            RunTakenAway: the run is not staged any more. Nothing was shown.
        """
        self._write()
        with transaction.atomic():
            self._flip(totals, started_at, finished_at)
            _index_runs([self.run_id])

    def _flip(
        self, totals: Totals, started_at: datetime | None, finished_at: datetime | None
    ) -> None:
        shown = AutomatedTestRun.objects.filter(pk=self.run_id, stage=Stage.STAGED).update(
            stage=Stage.SHOWN,
            imported_at=clock.now(),
            status=totals.status,
            started_at=started_at,
            finished_at=finished_at,
            errors=totals.errors,
            failed=totals.failed,
            skipped=totals.skipped,
            passed=totals.passed,
            warnings=totals.warnings,
            total_results=totals.results,
            total_nodes=totals.nodes,
        )
        if not shown:
            raise RunTakenAway(str(self.run_id))

    def _write(self) -> None:
        rows, self._rows, self._text = self._rows, [], 0
        if rows:
            with transaction.atomic():
                NODES.insert(rows)


def node_row(node: Node, *, run: str, prefix: str) -> Row:
    """
    Return a node's row.

    Args:
        node: Of a report.
        run: Its run's id, as 32 hex digits.
        prefix: What all ids of nodes of the run begin with, 24 hex digits.
    """
    return (
        f"{prefix}{node.position:08x}",
        run,
        None if node.parent is None else f"{prefix}{node.parent:08x}",
        node.position,
        node.is_case,
        node.name,
        node.class_name,
        node.status.value,
        node.is_flaky,
        node.is_flaky or node.status in _ATTENTION,
        node.seconds,
        stored_moment(node.started_at),
        stored_moment(node.finished_at),
        node.description,
        None,  # notes
        None if node.metadata is None else json.dumps(node.metadata),
        None if node.parameters is None else json.dumps(node.parameters),
        node.has_children,
    )


def index_nodes(run_id: UUID) -> None:
    """Let a shown run's nodes be found; doing it again does no harm."""
    for _ in documents.index_batches(ResultNode, run_id=run_id):
        pass


def _index_runs(run_ids: Sequence[UUID]) -> None:
    """Let the index agree with what became of runs, in the transaction that did it."""
    documents.index(AutomatedTestRun, run_ids)
    # An assignment's status is that of its last run.
    assignments = AutomatedTestAssignment.objects.filter(runs__in=run_ids)
    documents.index(AutomatedTestAssignment, set(assignments.values_list("pk", flat=True)))


@contextmanager
def unmapped() -> Iterator[None]:
    """
    Keep SQLite from mapping the database file into memory while rows are written in bulk.

    Mapped pages count as the process' memory, and an import touches all that it writes.
    """
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA mmap_size").fetchone()
        cursor.execute("PRAGMA mmap_size=0")
    try:
        yield
    finally:
        if before is not None:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA mmap_size={int(before[0])}")


def find_shown(import_id: UUID) -> AutomatedTestRun | None:
    """Return the run that an earlier attempt of this import has shown already, if any."""
    return AutomatedTestRun.objects.shown().filter(import_id=import_id).first()


def discard_import(import_id: UUID) -> None:
    """Remove what attempts of this import staged, so that a new one can begin."""
    for run_id in AutomatedTestRun.objects.filter(
        import_id=import_id, stage=Stage.STAGED
    ).values_list("pk", flat=True):
        discard(run_id, only_staged=True)


def discard(run_id: UUID, *, only_staged: bool = False) -> bool:
    """
    Hide a run at once, then remove its nodes in short transactions, then itself.

    Returns:
        Whether it was there to be hidden: of several at one moment, one gets True.
    """
    runs = AutomatedTestRun.objects.filter(pk=run_id)
    hideable = [Stage.STAGED] if only_staged else [Stage.STAGED, Stage.SHOWN]
    # Hidden first: from here on an attempt that is still writing can no longer show it.
    with transaction.atomic():
        if not runs.filter(stage__in=hideable).update(stage=Stage.DISCARDED):
            return False
        if not only_staged:
            _index_runs([run_id])
    _remove(run_id)
    return True


def remove_nodes(run_ids: Sequence[UUID]) -> Iterator[int]:
    """
    Remove the nodes of runs of any stage; before the first of a run goes, nobody sees it any more.

    Yields:
        How many nodes a batch had, after its short transaction.
    """
    for start in range(0, len(run_ids), _TOGETHER):
        together = run_ids[start : start + _TOGETHER]
        with transaction.atomic():
            runs = AutomatedTestRun.objects.filter(pk__in=together).exclude(stage=Stage.DISCARDED)
            hidden = hold_to_change(runs)
            runs.update(stage=Stage.DISCARDED)
            _index_runs(hidden)
        yield from _remove_nodes(together)


def sweep(account_id: UUID) -> int:
    """Remove the account's runs that nobody will come back for; return how many."""
    now = clock.now()
    runs = AutomatedTestRun.objects.filter(account_id=account_id)
    runs.filter(stage=Stage.STAGED, staged_at__lt=now - conf.ABANDONED_AFTER).update(
        stage=Stage.DISCARDED
    )
    # Whoever discarded a run is removing it; what is still there much later, nobody is.
    left = runs.filter(stage=Stage.DISCARDED, staged_at__lt=now - timedelta(hours=3))
    ids = list(left.values_list("pk", flat=True))
    for run_id in ids:
        _remove(run_id)
    return len(ids)


def hold(rows: QuerySet[Any]) -> None:
    """
    Let nobody write below rows that are about to be deleted, until the transaction ends.

    Whoever is writing there is waited for, so that what came last goes with them. SQLite has one
    writer anyway.
    """
    if connection.features.has_select_for_update:
        list(rows.order_by("pk").select_for_update().values_list("pk"))


def hold_to_change(rows: QuerySet[Any]) -> list[Any]:
    """
    Hold rows that one statement is about to change, until the transaction ends; return their ids.

    In the order of their ids, as whoever holds several does, so that no two wait for each other; a
    statement that changes several holds them in any order.
    """
    return list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))


def _remove(run_id: UUID) -> None:
    for _ in chain(
        _remove_nodes([run_id]), attachments.remove(Attachment.objects.filter(run=run_id))
    ):
        pass
    run = AutomatedTestRun.objects.filter(pk=run_id)
    with transaction.atomic():
        hold(run)
        # That an import attached while others went; the database would leave the files.
        attachments.remove_batch(Attachment.objects.filter(run=run_id).values_list("pk", flat=True))
        run.delete()


def _remove_nodes(run_ids: Sequence[UUID]) -> Iterator[int]:
    nodes = ResultNode.objects.filter(run__in=run_ids)
    after = UUID(int=0)
    indexed = nodes.filter(needs_attention=True).order_by("pk").values_list("pk", flat=True)
    while ids := list(indexed.filter(pk__gt=after)[:BATCH_UNINDEXED]):
        documents.remove(ResultNode, ids)
        after = ids[-1]
        yield 0
    while True:
        batch = nodes.order_by().values("pk")[:BATCH_REMOVED]
        removed, _ = ResultNode.objects.filter(pk__in=batch).delete()
        if not removed:
            return
        yield removed
