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
    WAITING = "waiting"  #: for its child runs; holds no worker
    PAUSING = "pausing"  #: somebody asked a running one to pause, at its next safe checkpoint
    PAUSED = "paused"  #: stands still until somebody resumes it; holds no worker
    CANCELLING = "cancelling"  #: somebody asked a running one to stop
    SUCCEEDED = "succeeded"  #: the handler returned
    WARNED = "warned"  #: the handler returned, with warnings
    FAILED = "failed"  #: the handler raised, timed out, or its attempts are used up
    CANCELLED = "cancelled"  #: stopped because somebody asked
    SKIPPED = "skipped"  #: its time had come while the run before had not finished
    LOST = "lost"  #: its worker died and the handler may not run again by itself


#: How a run ends that no worker holds: cancelled, or settled by an operator.
_SETTLED: Final = frozenset({State.SUCCEEDED, State.WARNED, State.FAILED, State.CANCELLED})

ARROWS: Final[dict[State, frozenset[State]]] = {
    # To `paused`: by a restore, after which nothing runs again by itself.
    State.SCHEDULED: _SETTLED | {State.QUEUED, State.PAUSED},
    State.QUEUED: _SETTLED | {State.RUNNING, State.PAUSED},
    State.RUNNING: frozenset(
        {
            State.SUCCEEDED,
            State.WARNED,
            State.FAILED,
            State.WAITING,
            State.PAUSING,
            State.CANCELLING,
            State.SCHEDULED,
            State.QUEUED,
            State.LOST,
        }
    ),
    State.WAITING: _SETTLED | {State.QUEUED, State.PAUSED},
    State.PAUSING: frozenset(
        {
            State.RUNNING,
            State.PAUSED,
            State.CANCELLING,
            State.SUCCEEDED,
            State.WARNED,
            State.FAILED,
            State.LOST,
        }
    ),
    State.PAUSED: _SETTLED | {State.QUEUED},
    State.CANCELLING: _SETTLED | {State.LOST},
    State.SUCCEEDED: frozenset(),
    State.WARNED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.SKIPPED: frozenset(),
    State.LOST: frozenset(),
}

#: States that never change again.
FINAL: Final = frozenset(state for state in State if not ARROWS[state])
#: States in which a worker holds the run.
HELD: Final = frozenset({State.RUNNING, State.PAUSING, State.CANCELLING})
#: Begun, and standing still without a worker.
STANDING: Final = frozenset({State.WAITING, State.PAUSED})
#: States in which the run waits for a worker or for its time.
PENDING: Final = frozenset({State.SCHEDULED, State.QUEUED})
#: Finished as the caller wished.
GOOD: Final = frozenset({State.SUCCEEDED, State.WARNED})


def feet(to: State) -> frozenset[State]:
    """Return the states from which an arrow leads to `to`."""
    return frozenset(state for state in State if to in ARROWS[state])


def sql_list(states: frozenset[State]) -> str:
    """Return the states as SQL writes a list, always in the same order: `('a', 'b')`."""
    return "(" + ", ".join(f"'{state}'" for state in State if state in states) + ")"
