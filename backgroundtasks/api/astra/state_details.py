"""Why a task is not where its owner wants it to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from backgroundtasks.api.astra.vocabulary import moment
from backgroundtasks.states import State

if TYPE_CHECKING:
    from backgroundtasks.api.astra.representation import Run

#: Names of our own; the vendor publishes no numbers for tasks.
DETAIL_TYPE: Final = "urn:task-center:astra:state-details:"
_DETAIL: Final = 511


def details(run: Run) -> list[dict[str, Any]]:
    """Return why the task is not where its owner wants it to be; nothing if it is."""
    made = _DETAILS.get(State(run.state))
    return made(run) if made else []


def _detail(kind: str, title: str, text: str, **additional: Any) -> list[dict[str, Any]]:
    detail: dict[str, Any] = {"type": DETAIL_TYPE + kind, "title": title, "detail": text[:_DETAIL]}
    if additional:
        detail["additionalDetails"] = additional
    return [detail]


def _failed(run: Run) -> list[dict[str, Any]]:
    more = {"attempt": run.attempt, "temporary": run.temporary}
    return _detail("failed", "Failed", run.error or "It failed without saying why.", **more)


def _lost(run: Run) -> list[dict[str, Any]]:
    text = run.error or "Its worker died, and it may not run again by itself."
    return _detail("lost", "Lost", text, attempt=run.attempt)


def _cancelled(run: Run) -> list[dict[str, Any]]:
    return _detail("cancelled", "Cancelled", run.error or "Somebody cancelled it.")


def _skipped(run: Run) -> list[dict[str, Any]]:
    return _detail("skipped", "Skipped", run.error or "Its time passed without a run.")


def _warned(run: Run) -> list[dict[str, Any]]:
    warnings = [text for text in run.warnings or [] if text]
    text = " ".join(warnings) or run.error or "It completed with warnings."
    return _detail("warned", "Completed with warnings", text, warnings=len(warnings))


def _scheduled(run: Run) -> list[dict[str, Any]]:
    due = moment(run.run_after)
    if not run.attempt:
        return _detail("not-due", "Not due yet", f"It begins after {due}.", due=due)
    # The time first: a long reason is cut.
    text = (
        f"The next attempt begins after {due}; attempt {run.attempt} ended: {run.text or 'unknown'}"
    )
    return _detail("retry", "Waits for another attempt", text, attempt=run.attempt, due=due)


def _waiting(_run: Run) -> list[dict[str, Any]]:
    return _detail("waiting", "Waits for its subtasks", "It goes on when its subtasks have ended.")


_DETAILS: Final = {
    State.FAILED: _failed,
    State.LOST: _lost,
    State.CANCELLED: _cancelled,
    State.SKIPPED: _skipped,
    State.WARNED: _warned,
    State.SCHEDULED: _scheduled,
    State.WAITING: _waiting,
}
