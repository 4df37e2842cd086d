"""
Draw the state machine of a run: `python -m scripts.draw_states > docs/reference/state_machine.md`.

The states with their meaning and the arrows come from `backgroundtasks/states.py`; a test
compares the page with what this prints.
"""

from __future__ import annotations

import inspect
import re

from backgroundtasks import states
from backgroundtasks.states import ARROWS, FINAL, GOOD, HELD, PENDING, STANDING, State

PAGE = """\
# The states of a run

Drawn from `backgroundtasks/states.py` by `python -m scripts.draw_states`; do not edit.

```mermaid
stateDiagram-v2
{arrows}
```

| state | meaning | group | may become |
|---|---|---|---|
{rows}

- **pending**: waits for a worker or for its time; nothing is being done.
- **held**: one worker has the lease; it says so every few seconds, or loses the run.
- **standing**: it has begun and holds no worker; other runs go on.
- **final**: never changes again. A retry by a person is a new run of the same task.
- **final, good**: finished as the caller wished.

Each arrow is one guarded UPDATE in `backgroundtasks/lifecycle/`: of two that want to move a run
at the same moment, one does, and the other learns that it did not.
"""


def meanings() -> dict[State, str]:
    """Return what the comment behind each state says."""
    comments = re.findall(
        r"^    [A-Z]+ = \"(\w+)\"  #: (.+)$", inspect.getsource(states), re.MULTILINE
    )
    return {State(value): meaning for value, meaning in comments}


def group(state: State) -> str:
    if state in FINAL:
        return "final, good" if state in GOOD else "final"
    if state in HELD:
        return "held"
    if state in PENDING:
        return "pending"
    if state in STANDING:
        return "standing"
    return ""


def in_order(some: frozenset[State]) -> list[State]:
    return [state for state in State if state in some]


def page() -> str:
    # Submission makes a run pending: now, or at its time.
    arrows = [f"    [*] --> {state}" for state in in_order(PENDING)]
    arrows += [f"    {foot} --> {head}" for foot in State for head in in_order(ARROWS[foot])]
    arrows += [f"    {state} --> [*]" for state in in_order(FINAL)]
    rows = [
        f"| `{state}` | {meanings()[state]} | {group(state)} |"
        f" {', '.join(f'`{head}`' for head in in_order(ARROWS[state])) or '—'} |"
        for state in State
    ]
    return PAGE.format(arrows="\n".join(arrows), rows="\n".join(rows))


if __name__ == "__main__":
    print(page(), end="")
