"""Start a task from within a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import transaction

from backgroundtasks import exceptions
from backgroundtasks.handlers import permissions, registry
from backgroundtasks.handlers.context import Cancelled, LeaseLost
from backgroundtasks.lifecycle import families
from backgroundtasks.operations.submit import new_run, store_run
from backgroundtasks.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from backgroundtasks.handlers import Actor
    from backgroundtasks.lifecycle.rows import Fence


def start_child(
    parent: Fence,
    actor: Actor,
    task_type: str,
    parameters: dict[str, Any],
    *,
    key: str,
    number: int,
    title: str = "",
    labels: Mapping[str, str] | None = None,
) -> UUID:
    """
    Start a child of a run that a worker holds, unless its key was used before.

    Whoever cancels or settles the parent meets either none of it or all: both lock the
    parent's row.

    Args:
        parent: The right of the attempt that asks.
        actor: The parent's owner.
        task_type: In any letter case.
        parameters: As they came.
        key: At most one child of the parent has it.
        number: Its place among the parent's children, from 0.
        title: For people.
        labels: Name to value.

    Returns:
        The id of the child's run.

    Raises:
        Cancelled, LeaseLost: the parent starts no more children.
        RunConflict: it would wait for ever for an exclusive key that a run above it holds.
        TaskCenterError: as for any submission; nothing was stored.
    """
    actor = replace(actor, origin="parent")
    handler = registry.get(task_type)
    permissions.require(handler.permissions, actor, f"start {handler.task_type}")
    run = new_run(actor, handler, parameters, title=title, labels=labels, check=True)
    with transaction.atomic():
        state = families.hold(parent)
        if state is None:
            raise LeaseLost
        if state == State.CANCELLING:
            raise Cancelled
        known = families.find_child(parent.run_id, key)
        if known is not None:
            return known
        exclusive = run.exclusive_key
        if exclusive is not None and families.holds_above(parent.run_id, exclusive):
            raise exceptions.RunConflict(
                f"The child {key!r} would wait for ever: a run above it, which waits for it, is "
                f"a {handler.task_type} for the same thing."
            )
        child = replace(run, parent_id=parent.run_id, child_key=key, child_number=number)
        return store_run(actor, handler, child, None, with_task=True).run_id
