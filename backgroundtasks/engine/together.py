"""Several short runs of one type, done at once where their handler can."""

from __future__ import annotations

import logging
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from backgroundtasks import conf
from backgroundtasks.engine.executor import leave_transaction
from backgroundtasks.handlers import registry
from backgroundtasks.handlers.context import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from backgroundtasks.engine.executor import Execution
    from backgroundtasks.handlers import Outcome
    from backgroundtasks.lifecycle.rows import ClaimedRun, Finish

logger = logging.getLogger(__name__)


def groups(runs: Sequence[ClaimedRun]) -> Iterator[list[ClaimedRun]]:
    """
    Yield which of these runs may be done at once.

    First attempts only: a run that took its worker with it would take the others with it again.
    """
    by_type = attrgetter("task_type")
    first = sorted((run for run in runs if run.attempt == 1), key=by_type)
    for task_type, alike in groupby(first, key=by_type):
        handler = registry.find(task_type)
        if handler is None or not handler.is_joint() or handler.lease_of() > conf.LEASE:
            continue
        group = list(alike)
        if len(group) > 1:
            yield group


def perform(executions: Sequence[Execution]) -> dict[UUID, Finish | None]:
    """
    Let the handler of these runs, which are of one type, do at once what it can.

    Returns:
        What it did: how each run ended well, for the caller to store; None for one that was settled
        in another way. The others are as they were: each is to be performed alone.
    """
    works = []
    for execution in executions:
        try:
            works.append((execution, execution.parameters()))
        except BaseException:  # noqa: BLE001, S112 - performed alone, it ends with the reason
            continue
    if len(works) < 2:  # noqa: PLR2004 - one is not several
        return {}
    handler = works[0][0].handler
    assert handler is not None  # noqa: S101 - its runs are a group for it
    by_id = {one.run.id: one for one, _ in works}
    outcomes: Mapping[UUID, Outcome | None] = {}
    try:
        answer = handler.perform_together([(one.context, given) for one, given in works])
        outcomes = {run_id: answer[run_id] for run_id in by_id if run_id in answer}
    except Interrupted:
        pass  # at the next checkpoint of the run that it is for
    except BaseException:  # whatever a handler raises ends this try only
        logger.exception(
            "run.together_failed type=%s runs=%s; each is performed alone",
            handler.task_type,
            len(works),
        )
    finally:
        leave_transaction()
    return {run_id: by_id[run_id].finish(outcome) for run_id, outcome in outcomes.items()}
