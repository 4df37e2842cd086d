"""
Is it working? For supervisors, load balancers and Prometheus.

`/livez` says that this process answers; it asks nobody else. `/readyz` says that work is
done: 200 only when the installation is open, the database answers and is migrated and a worker
has beaten within a lease, else 503 with what is wrong and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from backgroundtasks import clock, closed, queries

if TYPE_CHECKING:
    from collections.abc import Callable

#: Known to be migrated: a schema does not go back under a running server.
_migrated = False


@require_safe
@never_cache
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer 200: this process is alive."""
    return HttpResponse("ok\n", content_type="text/plain")


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of being ready."""

    name: str
    ok: bool
    #: What is wrong and what to do; empty when all is well.
    advice: str = ""


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when work is done here, else 503 with each check and what to do."""
    found: list[Check] = []
    for check in _CHECKS:
        # What follows a failed check would only repeat it.
        found.append(check())
        if not found[-1].ok:
            break
    ready = all(check.ok for check in found)
    body = {
        "ready": ready,
        "checks": {
            check.name: {"ok": True} if check.ok else {"ok": False, "advice": check.advice}
            for check in found
        },
    }
    return JsonResponse(body, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


def database() -> Check:
    """Check that the database answers."""
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        connection.close()  # a broken connection is not kept for the next request
        reason = str(error).strip().partition("\n")[0]
        return Check(
            "database",
            ok=False,
            advice=f"The database does not answer ({reason}). Start it, or mend DATABASE_URL.",
        )
    return Check("database", ok=True)


def migrations() -> Check:
    """Check that the database is migrated; once true, it is not asked again."""
    global _migrated  # noqa: PLW0603 - a cache of one bit
    if not _migrated:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            return Check(
                "migrations",
                ok=False,
                advice=f"{len(plan)} migrations are missing: run `manage.py migrate`.",
            )
        _migrated = True
    return Check("migrations", ok=True)


def workers() -> Check:
    """Check that a worker has beaten within a lease."""
    if queries.live_workers().exists():
        return Check("workers", ok=True)
    last = queries.last_beat()
    known = (
        "No worker has ever run here"
        if last is None
        else f"The last worker was heard of {(clock.now() - last).total_seconds():.0f} s ago"
    )
    return Check("workers", ok=False, advice=f"{known}: start `manage.py runworkers`.")


def is_open() -> Check:
    """Check that the installation is not closed for maintenance."""
    if not closed.is_closed():
        return Check("open", ok=True)
    return Check(
        "open",
        ok=False,
        advice=f"Closed: {closed.reason()} Open it with `manage.py maintenance off`.",
    )


_CHECKS: tuple[Callable[[], Check], ...] = (is_open, database, migrations, workers)
