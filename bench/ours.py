"""What the measures let our side do; each function runs in a process with Django set up."""

from __future__ import annotations

import random
import resource
import sqlite3
import time
import uuid
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.files import File
from django.db import connection

from backgroundtasks import clock, operations, queries
from backgroundtasks.handlers import TaskContext, registry
from backgroundtasks.lifecycle.rows import RUN_TABLE
from backgroundtasks.models import Message, Task, TaskStatus, Worker
from backgroundtasks.states import FINAL, HELD, sql_list
from bench import moments
from tickets import connections, trackers, uploads
from tickets.models import (
    AutomatedTest,
    AutomatedTestAssignment,
    ExecutionPackage,
    ExternalSystem,
    ExternalSystemLink,
    Project,
    Script,
    ScriptAssignment,
    ScriptRun,
    StepResult,
)

if TYPE_CHECKING:
    from backgroundtasks.handlers import Actor

# States as literals: a partial index is not found for a parameter.
_UNFINISHED = f"""
    SELECT EXISTS (SELECT 1 FROM {RUN_TABLE} WHERE state = 'queued')
        OR EXISTS (SELECT 1 FROM {RUN_TABLE}
                    WHERE state IN {sql_list(HELD)})
        OR EXISTS (SELECT 1 FROM {RUN_TABLE} WHERE state = 'scheduled')
"""


def bootstrap() -> None:
    """Make the account and the user that everything here belongs to."""
    operations.bootstrap("Bench", "bench", lambda: "nobody logs in")


@cache
def _actor() -> Actor:
    return queries.actor_of(get_user_model().objects.get(username="bench"))


def token() -> str:
    """Return a bearer token that lasts."""
    return operations.issue_token(_actor().user, life=timedelta(hours=6))[0]


def workers() -> int:
    """Return how many workers are there."""
    return Worker.objects.filter(stopped_at__isnull=True).count()


# --- runs ----------------------------------------------------------------------------------------


def submit(task_type: str, count: int) -> list[float]:
    """Start tasks one by one; return what each took, in seconds."""
    actor = _actor()
    took = []
    for _ in range(count):
        began = time.perf_counter()
        operations.submit(actor, task_type, {})
        took.append(time.perf_counter() - began)
    return took


def submit_until_done(task_type: str, count: int) -> float:
    """Start tasks one by one; return the seconds from the first call until all are done."""
    began = time.monotonic()
    submit(task_type, count)
    return wait() - began


def submit_many(task_type: str, count: int) -> float:
    """Start many tasks at once; return the seconds."""
    actor = _actor()
    began = time.perf_counter()
    operations.submit_many(actor, task_type, ({} for _ in range(count)))
    return time.perf_counter() - began


def submit_links(count: int, tickets: int = 100) -> None:
    """Start the linking of as many failed steps with the built-in tracker's tickets, at once."""
    actor = _actor()
    link = _tracker_link(actor, tickets)
    script = Script.objects.create(account=actor.account, project=link.project, name="Refund")
    assignment = ScriptAssignment.objects.create(
        account=actor.account,
        script=script,
        package=ExecutionPackage.objects.create(
            account=actor.account, project=link.project, name="Nightly"
        ),
    )
    run = ScriptRun.objects.create(account=actor.account, assignment=assignment)
    steps = StepResult.objects.bulk_create(
        (StepResult(run=run, position=number) for number in range(count)), batch_size=1000
    )
    operations.submit_many(
        actor,
        "LinkTicketToStepResult",
        (
            {"StepResultId": str(step.pk), "Key": f"TST-{number % tickets + 1}"}
            for number, step in enumerate(steps)
        ),
    )


def _tracker_link(actor: Actor, tickets: int) -> ExternalSystemLink:
    """Return a new project's link with the built-in tracker, where there are as many tickets."""
    mark = uuid.uuid4().hex
    project = Project.objects.create(account=actor.account, name=f"Links {mark}")
    system = ExternalSystem.objects.create(account=actor.account, name=mark, kind="builtin")
    link = ExternalSystemLink.objects.create(
        account=actor.account,
        external_system=system,
        project=project,
        name="Bugs",
        tracker_project="TST",
    )
    tracker = connections.tracker_of(link)
    for number in range(tickets):
        tracker.create(trackers.Draft(summary=f"Bug {number}", mark=f"bench:{number}"))
    return link


def wait(limit: float = 120) -> float:
    """Wait until everything is done and stored; return the monotonic time of that."""
    until = time.monotonic() + limit
    with connection.cursor() as cursor:
        while cursor.execute(_UNFINISHED) and cursor.fetchone()[0]:
            if time.monotonic() > until:
                raise TimeoutError("our workers did not finish")
            time.sleep(0.005)
    return time.monotonic()


def delete_runs() -> None:
    """Forget all runs, done or not."""
    TaskStatus.objects.all()._raw_delete("default")  # noqa: SLF001 - nothing hangs on them here


def pick_up(count: int, socket: str) -> list[float]:
    """Start tasks while nothing runs; return the milliseconds from each call to its begin."""
    actor = _actor()
    took = []
    with moments.Listener(Path(socket)) as listener:
        for _ in range(count):
            time.sleep(random.uniform(0.05, 0.25))
            began = time.monotonic_ns()
            operations.submit(actor, "Stamp", {"Socket": socket})
            took.append((listener.next() - began) / 1e6)
    return took


def result_of(task_type: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Start a task, wait for its end, and return its result and the seconds that it took."""
    run_id = operations.submit(_actor(), task_type, parameters).run_id
    while (run := TaskStatus.objects.get(pk=run_id)).state not in FINAL:
        time.sleep(0.05)
    if run.error:
        raise RuntimeError(run.error)
    assert run.started_at is not None
    assert run.finished_at is not None
    return {
        "values": (run.result or {}).get("values"),
        "seconds": (run.finished_at - run.started_at).total_seconds(),
    }


def queued(task_type: str, count: int) -> list[str]:
    """Start tasks, and return their ids."""
    many = ({} for _ in range(count))
    return [str(run_id) for run_id in operations.submit_many(_actor(), task_type, many)]


def statuses(count: int) -> dict[str, str]:
    """Store finished runs, each with a result and two messages; return the account and a run."""
    many = queued("Nothing", count)
    TaskStatus.objects.filter(pk__in=many).update(
        state="succeeded",
        attempt=1,
        started_at=clock.now(),
        finished_at=clock.now(),
        processed=100,
        total=100,
        result={"values": {"ProductsRead": 4200, "ProductsSkipped": 3}, "warnings": []},
    )
    Message.objects.bulk_create(
        Message(
            run_id=run_id, level="info", key="bench.read", text=text, parameters={"n": 1}, attempt=1
        )
        for run_id in many
        for text in ("Reading.", "All is read.")
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"account": str(_actor().account.pk), "run": many[-1]}


def may_write() -> bool:
    """Return whether the database takes a write now: SQLite has one lock for all."""
    if connection.vendor != "sqlite":
        return True
    connection.ensure_connection()
    probe = sqlite3.connect(connection.settings_dict["NAME"], timeout=0.05, isolation_level=None)
    try:
        probe.execute("BEGIN IMMEDIATE")
        probe.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        probe.close()
    return True


# --- imports -------------------------------------------------------------------------------------


def uploaded(path: str) -> dict[str, str]:
    """Put a report into the file store; return the parameters of its import."""
    actor = _actor()
    account = actor.account
    project, _ = Project.objects.get_or_create(account=account, name="Bench")
    package, _ = ExecutionPackage.objects.get_or_create(
        account=account, project=project, name="Bench"
    )
    test, _ = AutomatedTest.objects.get_or_create(
        account=account,
        project=project,
        name="Bench",
        defaults={"configuration": {"Type": "JUnit"}},
    )
    assignment, _ = AutomatedTestAssignment.objects.get_or_create(
        account=account, automated_test=test, package=package
    )
    name = uploads.new_name(account.pk)
    with Path(path).open("rb") as file:
        uploads.save(name, File(file))
    return {"AutomatedTestAssignmentId": str(assignment.pk), "ResultsPath": name}


class _Nobody:
    """The engine's side of a context, without an engine."""

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """Say nothing."""

    def remember(self, memory: dict[str, Any]) -> None:
        """Keep nothing."""

    def stopping(self, *, safe: bool) -> None:
        """Never stop."""


def peak_memory() -> float:
    """Return the most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of_import(parameters: dict[str, str]) -> float:
    """Import in this process; return the most memory that it has had, in megabytes."""
    handler = registry.get("AutomatedTestImport")
    actor = _actor()
    context = TaskContext(
        _Nobody(),
        run_id=uuid.uuid4(),
        task_id=uuid.uuid4(),
        account_id=actor.account.pk,
        user_id=actor.user.pk,
        attempt=1,
    )
    handler().perform(context, handler.validated(parameters))
    return peak_memory()


# --- lists ---------------------------------------------------------------------------------------

_SERIES = {
    "postgresql": "generate_series(1, {runs}) AS series(n)",
    "sqlite": (
        "(WITH RECURSIVE series(n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {runs}) SELECT n FROM series)"
    ),
}
# An id that tells its number, so that a run finds its task.
_ID = {
    "postgresql": "('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
    "sqlite": "printf('0000000000004000%016x', n)",
}


_PAGE = 25


def fill(runs: int) -> str:
    """Store finished runs by SQL; return the place behind the 999th page, newest first."""
    first = operations.submit(_actor(), "Nothing", {}).run_id
    TaskStatus.objects.filter(pk=first).update(state="succeeded", finished_at=clock.now())
    run = TaskStatus.objects.get(pk=first)
    new_id = _ID[connection.vendor]
    with connection.cursor() as cursor:
        for model, key, changed in (
            (Task, run.task_id, {}),
            (TaskStatus, run.pk, {"task_id": new_id, "position": "position + n"}),
        ):
            meta = model._meta  # noqa: SLF001 - Django's published API
            table = meta.db_table
            columns = [field.column for field in meta.local_fields]
            values = {"id": new_id, **changed}
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) "
                f"SELECT {', '.join(values.get(name, name) for name in columns)} "
                f"FROM {table}, {_SERIES[connection.vendor].format(runs=runs)} WHERE id = %s",
                [key if connection.features.has_native_uuid_field else key.hex],
            )
        cursor.execute("ANALYZE")
    place = min(999 * _PAGE, runs - _PAGE)
    last = TaskStatus.objects.order_by("-position", "-pk")[place - 1]
    return f"{last.position}.{last.pk.hex}"
