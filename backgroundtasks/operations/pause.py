"""Let a run stand still for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from backgroundtasks import exceptions, queries
from backgroundtasks.handlers import registry
from backgroundtasks.lifecycle import arrows
from backgroundtasks.operations.cancel import require_control
from backgroundtasks.states import PENDING, State

if TYPE_CHECKING:
    from uuid import UUID

    from backgroundtasks.handlers import Actor


def pause(actor: Actor, run_id: UUID) -> State:
    """
    Pause a run: at its next safe checkpoint when it runs, at once when it waits for children.

    Its children go on. Asking again is no error.

    Returns:
        `paused`, or `pausing` when a worker holds it. If the handler ends before it comes to
        a safe checkpoint, its end wins.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        PermissionRefused: only who may start the type may pause a run of it.
        NotPausable: it runs, and its handler has no safe checkpoints.
        TransitionRefused: it has not begun, is being cancelled, or has finished.
    """
    run = queries.get_run(actor, run_id)
    require_control(actor, run.task_type, "pause it")
    handler = registry.find(run.task_type)
    pausable = handler is not None and handler.pausable
    by = actor.user.get_username()
    with transaction.atomic():
        # It may begin to wait, or to run again, between the two.
        for _ in range(2):
            if arrows.pause_waiting(run_id):
                _note(run_id, "run.paused", f"{by} paused it.")
                return State.PAUSED
            if pausable and arrows.request_pause(run_id):
                _note(run_id, "run.pause_requested", f"{by} asked to pause.")
                return State.PAUSING
        state = State(queries.get_run(actor, run_id).state)
    if state in {State.PAUSING, State.PAUSED}:
        return state
    if state == State.RUNNING:
        raise exceptions.NotPausable(run.task_type)
    advice = "It has not begun: pause its queue, or cancel it." if state in PENDING else ""
    raise exceptions.TransitionRefused(run_id, state, State.PAUSED, advice)


def resume(actor: Actor, run_id: UUID) -> State:
    """
    Let a paused run go on, from where its handler remembered.

    Returns:
        `queued`; `running` when its handler had not come to a safe checkpoint yet.

    Raises:
        RunNotFound: unknown, flushed or invisible.
        PermissionRefused: only who may start the type may resume a run of it.
        TransitionRefused: it is not paused.
    """
    run = queries.get_run(actor, run_id)
    require_control(actor, run.task_type, "resume it")
    by = actor.user.get_username()
    with transaction.atomic():
        # It may reach its checkpoint between the two.
        if arrows.withdraw_pause(run_id):
            _note(run_id, "run.resumed", f"{by} took the pause back before it took effect.")
            return State.RUNNING
        if arrows.resume(run_id):
            _note(run_id, "run.resumed", f"{by} resumed it.")
            return State.QUEUED
        state = queries.get_run(actor, run_id).state
    raise exceptions.TransitionRefused(run_id, state, State.QUEUED, "Only paused runs are resumed.")


def _note(run_id: UUID, key: str, text: str) -> None:
    arrows.note(run_id, level="info", key=key, text=text)
