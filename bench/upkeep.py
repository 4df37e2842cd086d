"""What the measures of upkeep let our side do: cleaning, schedules, backups."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import statistics
import subprocess
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection, transaction

from backgroundtasks import clock, closed, conf, cron, operations, scheduling
from backgroundtasks.handlers import TaskContext
from backgroundtasks.lifecycle import flushing
from backgroundtasks.maintenance import backup, databases, restore, stores
from backgroundtasks.maintenance.databases import postgres
from backgroundtasks.maintenance.handlers.clean_gp_jobs import CleanGPJobs
from backgroundtasks.models import Schedule, ScheduleState, Task, TaskStatus
from bench import ours, prose

if TYPE_CHECKING:
    from collections.abc import Iterator

_RANDOM_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
_CHUNK = 1024 * 1024
#: That compress, where nobody says otherwise.
_THREADS = 2
#: Messages of a run.
_SAID = 10
_MESSAGE = "run_id, level, key, text, parameters, attempt, created_at"


class _Nobody:
    """The engine's side of a context, without an engine."""

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """Say nothing."""

    def remember(self, memory: dict[str, Any]) -> None:
        """Keep nothing."""

    def stopping(self, *, safe: bool) -> None:
        """Never stop."""


# --- cleaning ------------------------------------------------------------------------------------


def fill_expired(runs: int) -> None:
    """Store so many runs whose retention has passed, with ids as scattered as real ones."""
    first = operations.submit(ours._actor(), "Nothing", {}).run_id  # noqa: SLF001 - of this package
    long_ago = clock.now() - timedelta(days=1)
    TaskStatus.objects.filter(pk=first).update(
        state="succeeded", started_at=long_ago, finished_at=long_ago, expires_at=long_ago
    )
    run = TaskStatus.objects.get(pk=first)
    new, series = _RANDOM_ID[connection.vendor], ours._SERIES[connection.vendor]  # noqa: SLF001
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE made AS SELECT n, {new} AS run_id, {new} AS task_id "
            f"FROM {series.format(runs=runs - 1)}"
        )
        for model, key, changed in (
            (Task, run.task_id, {"id": "made.task_id"}),
            (
                TaskStatus,
                run.pk,
                {"id": "made.run_id", "task_id": "made.task_id", "position": "position + made.n"},
            ),
        ):
            table = model._meta.db_table  # noqa: SLF001 - Django's published API
            columns = [field.column for field in model._meta.local_fields]  # noqa: SLF001
            values = ", ".join(changed.get(name, f"{table}.{name}") for name in columns)
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, made "
                f"WHERE {table}.id = %s ORDER BY made.n",
                [key if connection.features.has_native_uuid_field else key.hex],
            )
        cursor.execute("ANALYZE")


def clean() -> dict[str, float]:
    """Run `CleanGPJobs`; return runs, seconds, and the longest transaction in milliseconds."""
    took: list[float] = []
    real = flushing.flush

    def timed(limit: int) -> int:
        began = time.perf_counter()
        flushed = real(limit)
        took.append(time.perf_counter() - began)
        return flushed

    flushing.flush = timed
    try:
        began = time.perf_counter()
        outcome = CleanGPJobs().perform(_context(), {})
        seconds = time.perf_counter() - began
    finally:
        flushing.flush = real
    return {
        "runs": outcome.result["runs"],
        "seconds": seconds,
        "p99": statistics.quantiles(took, n=100)[98] * 1000 if len(took) > 1 else took[0] * 1000,
    }


def submit_until(flag: str, pause: float) -> list[float]:
    """Start tasks, one every `pause` seconds, until a file is there, two at least; return what each took, in ms."""
    took: list[float] = []
    while len(took) < 2 or not Path(flag).exists():
        took += [seconds * 1000 for seconds in ours.submit("Nothing", 1)]
        time.sleep(pause)
    return took


def _context() -> TaskContext:
    actor = ours._actor()  # noqa: SLF001 - of this package
    return TaskContext(
        _Nobody(),
        run_id=uuid.uuid4(),
        task_id=uuid.uuid4(),
        account_id=actor.account.pk,
        user_id=actor.user.pk,
        attempt=1,
    )


# --- schedules -----------------------------------------------------------------------------------


def make_schedules(count: int) -> None:
    """Store active schedules, none of which is due for long; each has its own time."""
    actor = ours._actor()  # noqa: SLF001 - of this package
    tasks = [
        Task(account=actor.account, owner=actor.user, task_type="Nothing", origin="schedule")
        for _ in range(count)
    ]
    Task.objects.bulk_create(tasks, batch_size=1000)
    after = clock.now() + timedelta(days=30)
    rows = []
    for number, task in enumerate(tasks):
        expression = f"{number % 60} {number // 60 % 60} {number % 24} ? * *"
        at = cron.parse(expression).next_after(after)
        rows.append(Schedule(task=task, account=actor.account, expression=expression, next_at=at))
    Schedule.objects.bulk_create(rows, batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def all_due(limit: float = 600) -> dict[str, float]:
    """Let all schedules be due at this moment; return until when the last was fired, and done."""
    due = clock.now()
    active = Schedule.objects.filter(state=ScheduleState.ACTIVE)
    active.update(next_at=due)
    began = time.monotonic()
    while active.filter(next_at__lte=due).exists():
        if time.monotonic() > began + limit:
            raise TimeoutError("the schedules were not fired")
        time.sleep(0.05)
    fired = (clock.now() - due).total_seconds()
    ours.wait(limit)
    return {"fired": fired, "done": (clock.now() - due).total_seconds()}


def look_at_schedules(times: int) -> float:
    """Ask what is due so often, as a keeper does; return the milliseconds of one look."""
    began = time.perf_counter()
    for _ in range(times):
        scheduling.fire_due()
        scheduling.next_due()
    return (time.perf_counter() - began) / times * 1000


# --- backups -------------------------------------------------------------------------------------


class _Quiet:
    """Does not want to know how far it is."""

    def expect(self, total: int) -> None:
        """Hear it."""

    def stage(self, text: str) -> None:
        """Hear it."""

    def add(self, count: int) -> None:
        """Hear it."""


def fill_for_backup(runs: int) -> int:
    """Store runs and ten times as many messages, each of its own words; return the bytes to copy."""
    ours.fill(runs)
    ids = TaskStatus.objects.order_by("pk").values_list("pk", flat=True)
    native = connection.features.has_native_uuid_field
    said = prose.messages(seed=7)
    pairs = ((run, number) for run in ids for number in range(_SAID))
    while batch := [*itertools.islice(pairs, 50_000)]:
        now = clock.now().isoformat()
        rows = [
            (run if native else run.hex, "info", "bench.said", *next(said), number, now)
            for run, number in batch
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            _store(cursor, "backgroundtasks_message", _MESSAGE, rows)
    return databases.current().estimate()


def _store(cursor: Any, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """Store rows as fast as the database takes them."""
    if connection.vendor == "postgresql":
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join(["%s"] * len(rows[0]))
    cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)


def back_up(threads: int = _THREADS) -> dict[str, Any]:
    """
    Make a backup, compressed by so many threads.

    Return its name, the seconds until it was written, and verified, and those of the processor.
    """
    settings.TASKCENTER = {**settings.TASKCENTER, "BACKUP_THREADS": threads}
    began, cpu = time.perf_counter(), _processor_time()
    written = 0.0

    class Meter(_Quiet):
        def stage(self, text: str) -> None:
            nonlocal written
            if text == "Verifying":
                written = time.perf_counter() - began

    made = backup.make(stores.get(), backup.Wish(f"bench{threads}", "correct horse"), Meter())
    took = time.perf_counter() - began
    return {
        "name": made.name,
        "written": written,
        "all": took,
        "cpu": _processor_time() - cpu,
    }


def peak_of_backup() -> float:
    """Make a backup, and remove it; return the most memory that this process has had, in megabytes."""
    stores.get().delete(back_up()["name"])
    return ours.peak_memory()


def _processor_time() -> float:
    """Return the processor seconds of this process and of those that it waited for."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def put_back(name: str) -> float:
    """Restore a backup; return the seconds."""
    closed.close("A measure.")
    try:
        began = time.perf_counter()
        restore.restore(
            stores.get(),
            name,
            "correct horse",
            after=scheduling.rearm,
            told=lambda _count: None,
            stage=lambda _text: None,
        )
        return time.perf_counter() - began
    finally:
        closed.reopen()


def raw_stages() -> dict[str, float]:
    """Return the seconds of each raw stage of the same bytes: copy, zstd, AES-GCM, and back."""
    folder = Path(conf.MAINTENANCE_DIR) / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "copy"
    try:
        took = {"copy": _timed(lambda: _raw_copy(copy))}
        packed = folder / "packed"
        cpu = _processor_time()
        took["zstd"] = _timed(lambda: _zstd(copy, packed))
        took["zstd_cpu"] = _processor_time() - cpu
        took["ratio"] = copy.stat().st_size / packed.stat().st_size
        took["zstd_alone"] = _timed(lambda: _zstd(copy, packed, threads=1))
        took["aes"] = _timed(lambda: _aes(packed))
        took["unzstd"] = _timed(lambda: _unzstd(packed))
        took["put"] = _timed(lambda: _raw_put(copy, folder))
        return took
    finally:
        shutil.rmtree(folder)


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _raw_copy(target: Path) -> None:
    """Copy the database as its own tool does, without compressing."""
    if connection.vendor == "sqlite":
        connection.close()  # closing the file lets go of all locks that this process has on it
        shutil.copyfile(str(connection.settings_dict["NAME"]), target)
        return
    command = [
        str(postgres.program("pg_dump")),
        "--format=custom",
        "--compress=0",
        f"--file={target}",
    ]
    subprocess.run(command, env=postgres.environment(), check=True)


def _raw_put(copy: Path, folder: Path) -> None:
    """Put it back as the database's own tool does, into a database beside it."""
    if connection.vendor == "sqlite":
        shutil.copyfile(copy, folder / "again")
        return
    name = f"bench_raw_{uuid.uuid4().hex}"
    environment = postgres.environment()
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            command = [
                str(postgres.program("pg_restore")),
                f"--dbname={name}",
                "--jobs=1",
                str(copy),
            ]
            subprocess.run(command, env={**environment, "PGDATABASE": name}, check=True)
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _zstd(source: Path, target: Path, threads: int = _THREADS) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, threads=threads)
    with source.open("rb") as plain, target.open("wb") as packed:
        zstandard.ZstdCompressor(compression_params=parameters).copy_stream(plain, packed)


def _unzstd(source: Path) -> None:
    with source.open("rb") as packed, open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        zstandard.ZstdDecompressor().copy_stream(packed, nowhere)


def _aes(source: Path) -> None:
    cipher = AESGCM(os.urandom(32))
    for number, chunk in enumerate(_chunks(source)):
        cipher.encrypt(number.to_bytes(12, "big"), chunk, None)


def _chunks(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
