"""`/system/tasks/<id>/runs`: what a task has done, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backgroundtasks import operations, queries
from backgroundtasks.api.arcgis import paging
from backgroundtasks.api.arcgis.access import DEFAULT_ADMINISTRATOR
from backgroundtasks.api.arcgis.errors import invalid, not_found
from backgroundtasks.api.arcgis.forms import Field
from backgroundtasks.api.arcgis.resource import Body, Call, Done, Link, Operation, Resource, facts
from backgroundtasks.api.arcgis.tasks import identity, task_at
from backgroundtasks.api.arcgis.vocabulary import (
    FAILED,
    RUN_STATUS,
    SKIPPED,
    SUBMIT_FAILED,
    SUCCEEDED,
    run_body,
)
from backgroundtasks.states import FINAL, GOOD, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from backgroundtasks.models import TaskStatus

_PATH: Final = "system/tasks/<str:task_id>/runs"
#: Which end a `status` means for a run that has not finished.
_ENDS: Final = {
    SUCCEEDED: State.SUCCEEDED,
    FAILED: State.FAILED,
    SUBMIT_FAILED: State.FAILED,
    SKIPPED: State.CANCELLED,
}
_STATUS: Final = tuple(dict.fromkeys([*RUN_STATUS.values(), SUBMIT_FAILED]))
_LONGEST: Final = 10_000
_OF_UPDATE: Final = (
    Field("status", "Status", "select", choices=tuple((word, word) for word in _STATUS)),
    Field("result", "Result", "textarea"),
)


def _list(call: Call) -> Body:
    task = task_at(call)
    runs = queries.visible_runs_of_task(call.actor, identity(call, "task_id"))
    page = paging.envelope(
        runs.order_by("-position"), call.given, lambda rows: [_body(run, task) for run in rows]
    )
    # Another class of the vendor's clients looks for them under this name.
    return {**page, "runs": page["result"]}


def _listed(call: Call, body: Body) -> Sequence[Link]:
    return [
        Link(
            one["runId"],
            f"{call.path}/{one['runId']}",
            facts=facts(one, "status", "created", "finished", "result"),
        )
        for one in body["result"]
    ]


def _show(call: Call) -> Body:
    return _body(_run(call), task_at(call))


def _body(run: TaskStatus, task: Callable[[datetime | None], Body]) -> Body:
    """Return a run with its task as that was when it began."""
    return run_body(run, task(run.started_at or run.finished_at))


def _title(call: Call, body: Body) -> str:
    return f"Run of {body['task']['taskTitle']}"


def _run(call: Call) -> TaskStatus:
    run = queries.get_run(call.actor, identity(call, "run_id"))
    if run.task_id != identity(call, "task_id"):
        raise not_found()
    return run


def _update(call: Call) -> Done:
    """End a run that has not finished; of a finished one change the text that it shows."""
    run = _run(call)
    status = call.given.word("status").lower()
    if status and status not in _STATUS:
        raise invalid(f"status: one of {', '.join(_STATUS)}.")
    result = _result(call)
    if status:
        operations.settle(call.actor, run.pk, lambda now: _end(now, status, result or ""))
    # Of a run that was ended badly just now the text is the reason, and stored with it.
    end = None if run.state in FINAL else _ENDS.get(status)
    if result is not None and (end is None or end in GOOD):
        operations.remark(call.actor, run.pk, result)
    return _done(call, call.path)


def _end(run: TaskStatus, status: str, result: str) -> operations.Settlement | None:
    """Return how a run is to end; None: it is as it is said to be."""
    if RUN_STATUS[State(run.state)] == status:
        return None
    if run.state in FINAL:
        raise invalid(f"status: the run has ended as {RUN_STATUS[State(run.state)]}, and stays so.")
    if status not in _ENDS:
        raise invalid(f"status: a run cannot be set to {status}.")
    return operations.Settlement(_ENDS[status], error=result)


def _result(call: Call) -> str | None:
    """Return the text that was sent; one of the vendor's clients misspells its name."""
    text = call.given.text("result")
    if text is None:
        text = call.given.text("results")
    if text is not None and len(text) > _LONGEST:
        raise invalid(f"result: {_LONGEST} characters at most.")
    return text


def _delete(call: Call) -> Done:
    operations.delete_run(call.actor, _run(call).pk)
    return _done(call, call.path.rpartition("/")[0])


def _done(call: Call, then: str) -> Done:
    ids = {name: identity(call, part).hex for name, part in _IDS.items()}
    return Done({"status": "success", "success": True, **ids}, then)


_IDS: Final = {"taskId": "task_id", "runId": "run_id", "id": "run_id"}


def _fields_of_update(call: Call) -> Sequence[Field]:
    run = _run(call)
    shown = run_body(run, {})
    status, result = _OF_UPDATE
    return (
        status.showing(shown["status"]),
        result.showing(shown["result"] if run.state in FINAL else ""),
    )


RUNS: Final = Resource(
    _PATH,
    DEFAULT_ADMINISTRATOR,
    _list,
    links=_listed,
    listed=("result", "runs"),
    fields=paging.FIELDS,
    text="The runs of this task, newest first.",
)
RUN: Final = Resource(
    f"{_PATH}/<str:run_id>",
    DEFAULT_ADMINISTRATOR,
    _show,
    title=_title,
    operations=(
        Operation(
            "update",
            "Edit Run",
            _update,
            _fields_of_update,
            "Say how a run ends that has not finished, or change the result of one that has.",
            takes=_OF_UPDATE,
        ),
        Operation("delete", "Delete Run", _delete, text="Delete a finished run.", destructive=True),
    ),
)
