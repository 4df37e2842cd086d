"""Follow a run on a terminal or in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from tqdm import tqdm

from backgroundtasks import queries
from backgroundtasks.management import describe
from backgroundtasks.states import FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from django.core.management.base import OutputWrapper

    from backgroundtasks.handlers import Actor
    from backgroundtasks.models import TaskStatus

_PAUSE = 0.2  # seconds


class Display(Protocol):
    """Shows how far a run is."""

    def show(self, run: TaskStatus) -> None:
        """Show the run as it is now."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Bar:
    """A progress bar, for terminals."""

    def __init__(self, out: OutputWrapper) -> None:
        """Draw on `out`."""
        self._bar = tqdm(file=out, unit="", dynamic_ncols=True)

    def show(self, run: TaskStatus) -> None:
        """Move the bar."""
        self._bar.total = run.total or None
        self._bar.n = run.processed
        self._bar.set_description_str(run.state, refresh=False)
        self._bar.set_postfix_str(run.text)  # draws

    def close(self) -> None:
        """Leave the bar as it stands and go to the next line."""
        self._bar.close()


class Lines:
    """A line for every change of state or text, for logs."""

    def __init__(self, out: OutputWrapper) -> None:
        """Write to `out`."""
        self._out = out
        self._last = ("", "")

    def show(self, run: TaskStatus) -> None:
        """Write a line if there is something new to say."""
        if (run.state, run.text) == self._last:
            return
        self._last = (run.state, run.text)
        done = describe.progress(run.processed, run.total)
        self._out.write(" ".join(filter(None, (run.state, done, run.text))))
        self._out.flush()

    def close(self) -> None:
        """Do nothing: every line is complete."""


def wait_for_end(actor: Actor, run_id: UUID, out: OutputWrapper) -> TaskStatus:
    """
    Show a run's progress on `out` until it has ended; return it then.

    Raises:
        RunNotFound: it was flushed meanwhile.
    """
    display: Display = Bar(out) if out.isatty() else Lines(out)
    try:
        while True:
            run = queries.get_run(actor, run_id)
            display.show(run)
            if run.state in FINAL:
                return run
            time.sleep(_PAUSE)
    finally:
        display.close()
