"""
The state machine of a run, as data.

`ARROWS` is the whole truth: `lifecycle` walks an arrow by one guarded UPDATE, and
`docs/reference/state_machine.md` is drawn from it. A finished run never changes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a run stands. The values are stored: add new ones, never reword old ones."""

    SCHEDULED = "scheduled"  #: not due yet: a delayed submission, or the next attempt after a pause
    QUEUED = "queued"  #: waits for a worker
    RUNNING = "running"  #: one worker holds the lease
    CANCELLING = "cancelling"  #: somebody asked a running one to stop
    SUCCEEDED = "succeeded"  #: the handler returned
    WARNED = "warned"  #: the handler returned, with warnings
    FAILED = "failed"  #: the handler raised, timed out, or its attempts are used up
    CANCELLED = "cancelled"  #: stopped because somebody asked
    LOST = "lost"  #: its worker died and the handler may not run again by itself


ARROWS: Final[dict[State, frozenset[State]]] = {
    State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED}),
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset(
        {
            State.SUCCEEDED,
            State.WARNED,
            State.FAILED,
            State.CANCELLING,
            State.SCHEDULED,
            State.QUEUED,
            State.LOST,
        }
    ),
    State.CANCELLING: frozenset(
        {State.CANCELLED, State.SUCCEEDED, State.WARNED, State.FAILED, State.LOST}
    ),
    State.SUCCEEDED: frozenset(),
    State.WARNED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.LOST: frozenset(),
}

#: States that never change again.
FINAL: Final = frozenset(state for state in State if not ARROWS[state])
#: States in which a worker holds the run.
HELD: Final = frozenset({State.RUNNING, State.CANCELLING})
#: States in which the run waits for a worker or for its time.
PENDING: Final = frozenset({State.SCHEDULED, State.QUEUED})
#: Finished as the caller wished.
GOOD: Final = frozenset({State.SUCCEEDED, State.WARNED})


def feet(to: State) -> frozenset[State]:
    """Return the states from which an arrow leads to `to`."""
    return frozenset(state for state in State if to in ARROWS[state])
