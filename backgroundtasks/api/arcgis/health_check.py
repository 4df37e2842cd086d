"""`/healthCheck`: suites of checks, runs of them, and their reports."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from backgroundtasks import operations, queries
from backgroundtasks.api.arcgis import jobs, paging, values
from backgroundtasks.api.arcgis.access import SECURITY_AND_INFRASTRUCTURE
from backgroundtasks.api.arcgis.errors import invalid, not_found
from backgroundtasks.api.arcgis.forms import Field
from backgroundtasks.api.arcgis.resource import (
    Body,
    Call,
    Done,
    Link,
    Operation,
    Resource,
    facts,
    overview,
)
from backgroundtasks.api.arcgis.vocabulary import SYSTEM, milliseconds
from backgroundtasks.maintenance import health
from backgroundtasks.states import FINAL, GOOD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from backgroundtasks.models import TaskStatus

_PATH: Final = "healthCheck"
_TYPE: Final = "CreateHealthCheckReports"
_RESULTS: Final = ("passed", "failed", "warning", "unknown")
#: Of a single test.
_WORDS: Final = {health.PASSED: "pass", health.WARNING: "warning", health.FAILED: "fail"}
_DESCRIPTIONS: Final = {
    "migrations": "The database has the tables of this release.",
    "workers": "Workers beat.",
    "queues": "No queue is paused.",
    "settings": "The checks of the settings pass.",
    "backups": "There is a backup, and none is damaged.",
    "room": "There is room for backups.",
    "data_keys": "Nobody else may read the data keys.",
}
#: Seconds that a synchronous run is waited for; then its job is the answer.
_PATIENCE: Final = 20.0
_PAUSE: Final = 0.1


def _test(number: int, name: str) -> Body:
    return {
        "id": f"HC_TC_{number:03}",
        "name": name,
        "description": _DESCRIPTIONS.get(name, name),
        "severity": "critical",
    }


def _suite_body() -> Body:
    names = health.names()
    tests = [_test(number, name) for number, name in enumerate(names, start=1)]
    return {
        "id": health.SUITE,
        "suiteId": health.SUITE,
        "name": "Basic health check",
        "systemOnly": False,
        "generalTests": [{key: test[key] for key in ("name", "description")} for test in tests],
    }


def _suites(call: Call) -> Body:
    return {"userSuites": [_suite_body()]}


def _listed_suites(call: Call, body: Body) -> Sequence[Link]:
    return [Link(suite["id"], f"{call.path}/{suite['id']}") for suite in body["userSuites"]]


def _suite(call: Call) -> Body:
    if call.parts["suite_id"] != health.SUITE:
        raise not_found()
    return _suite_body()


def _run(call: Call) -> Done:
    given = call.given
    suites = values.required(given, "suiteIds")
    name = values.required(given, "runName")
    wants_job = values.flag(given, "async")
    submission = operations.submit(call.actor, _TYPE, {"name": name, "suiteIds": suites})
    job = jobs.started(call, submission.run_id)
    if wants_job or not _ended(call, submission.run_id):
        return job
    path = f"reports/{submission.run_id.hex}"
    return Done(
        {"status": "success", "reportId": submission.run_id.hex, "reportUrl": f"/{path}"},
        f"{_PATH}/{path}",
    )


def _ended(call: Call, run_id: UUID) -> bool:
    """Wait for a run; return whether it has ended, with a report, before patience did."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        run = queries.get_run(call.actor, run_id)
        if run.state in FINAL:
            return run.state in GOOD
        time.sleep(_PAUSE)
    return False


def _all_reports(call: Call) -> QuerySet[TaskStatus]:
    runs = queries.visible_runs(call.actor).filter(task_type=_TYPE, state__in=FINAL)
    return runs.select_related("task", "owner").order_by("-position")


def _query(call: Call) -> Body:
    """
    Return a page, counted from 1.

    The vendor's client goes on while `nextStart` is above 0 and forgets the page on which it
    is not: so that names a next page whenever this one holds something, and an empty page ends.
    """
    reports = _all_reports(call)
    wanted = call.given.word("runResult")
    if wanted and wanted not in _RESULTS:
        raise invalid(f"runResult is one of {', '.join(_RESULTS)}.")
    if wanted == "unknown":
        reports = reports.exclude(state__in=GOOD)
    elif wanted:
        reports = reports.filter(state__in=GOOD, result__values__result=wanted)
    start = max(paging.number(call.given, "start", 1), 1)
    most = min(paging.number(call.given, "num", paging.MOST), paging.MOST)
    total = reports.count()
    runs = [_report_line(run) for run in reports[start - 1 : start - 1 + most]]
    return {
        "total": total,
        "num": len(runs),
        "start": start,
        "nextStart": start + len(runs) if runs else -1,
        "runs": runs,
    }


def _report_line(run: TaskStatus) -> Body:
    made: dict[str, Any] = (run.result or {}).get("values") or {}
    return {
        "id": run.pk.hex,
        "runId": run.pk.hex,
        "name": made.get("name") or run.task.parameters.get("name", ""),
        "owner": run.owner.get_username() if run.owner else SYSTEM,
        "result": made.get("result", "unknown"),
        "suiteIds": [health.SUITE],
        "startTime": milliseconds(run.started_at or run.queued_at),
        "endTime": milliseconds(run.finished_at or run.modified_at),
    }


def _reports(call: Call) -> Body:
    return {**overview(call), "operations": ["query"]}


def _listed(call: Call, body: Body) -> Sequence[Link]:
    return [
        Link(
            run["name"] or run["id"],
            f"{_PATH}/reports/{run['id']}",
            facts=facts(run, "result", "owner", "startTime", "endTime"),
        )
        for run in body["runs"]
    ]


def _report(call: Call) -> Body:
    text = call.parts["report_id"]
    try:
        run = _all_reports(call).filter(pk=UUID(text)).first()
    except ValueError:
        run = None
    if run is None:
        raise not_found()
    line = _report_line(run)
    made: dict[str, Any] = (run.result or {}).get("values") or {}
    tests = [
        {
            **_test(number, check["name"]),
            "result": _WORDS.get(check["result"], "unknown"),
            "message": check["text"],
            "startTime": line["startTime"],
            "endTime": line["endTime"],
        }
        for number, check in enumerate(made.get("checks", ()), start=1)
    ]
    suite = {
        "id": health.SUITE,
        "suiteId": health.SUITE,
        "name": "Basic health check",
        "result": line["result"],
        "criticalTestStatus": tests,
        "generalTestStatus": [],
    }
    body = {**line, "suiteStatus": [suite]}
    if run.error:
        body["message"] = run.error
    return body


def _title(call: Call, body: Body) -> str:
    return str(body["name"])


def _fields_to_run(_call: Call) -> Sequence[Field]:
    return (
        Field("suiteIds", "Suites", required=True, value=health.SUITE, help="Commas between them."),
        Field("runName", "Report name", required=True, help="Its time (UTC) is put behind it."),
        Field(
            "async",
            "Asynchronous",
            "checkbox",
            help=f"Else it is waited for, but for no more than {_PATIENCE:g} seconds.",
        ),
    )


HEALTH_CHECK: Final = Resource(
    _PATH,
    SECURITY_AND_INFRASTRUCTURE,
    overview,
    operations=(
        Operation(
            "run", "Run", _run, _fields_to_run, "Checks the installation, and keeps a report."
        ),
    ),
    text="Whether this installation is as it should be.",
)
SUITES: Final = Resource(
    f"{_PATH}/suites",
    SECURITY_AND_INFRASTRUCTURE,
    _suites,
    links=_listed_suites,
    listed=("userSuites",),
)
SUITE: Final = Resource(f"{_PATH}/suites/<str:suite_id>", SECURITY_AND_INFRASTRUCTURE, _suite)
REPORTS: Final = Resource(f"{_PATH}/reports", SECURITY_AND_INFRASTRUCTURE, _reports)
QUERY: Final = Resource(
    f"{_PATH}/reports/query",
    SECURITY_AND_INFRASTRUCTURE,
    _query,
    links=_listed,
    listed=("runs",),
    fields=(
        Field("start", "Start", "number", help="The first one is 1."),
        Field("num", "Number", "number", help=f"{paging.MOST} at most."),
        Field(
            "runResult",
            "Result",
            "select",
            choices=(("", "any"), *((word, word) for word in _RESULTS)),
        ),
    ),
)
REPORT: Final = Resource(
    f"{_PATH}/reports/<str:report_id>", SECURITY_AND_INFRASTRUCTURE, _report, title=_title
)
