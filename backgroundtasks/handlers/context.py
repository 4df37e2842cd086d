"""What a handler works against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uuid import UUID


class Interrupted(BaseException):
    """
    The run must stop here: the handler lets it pass.

    Not an `Exception`, so that a handler's `except Exception` does not swallow it; cleaning
    up in `finally` works.
    """


class Cancelled(Interrupted):
    """Somebody cancelled the run."""


class TimedOut(Interrupted):
    """The run used up its time."""


class LeaseLost(Interrupted):
    """The run is no longer this worker's; whatever it writes is discarded."""


class WorkerStopping(Interrupted):
    """The worker is being stopped; the run goes back to its queue."""


class Paused(Interrupted):
    """Somebody paused the run; it goes on in another attempt when somebody resumes it."""


class Channel(Protocol):
    """What the engine does for a context."""

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """Store a message of the run, in order."""

    def remember(self, memory: dict[str, Any]) -> None:
        """Store the run's memory now."""

    def stopping(self, *, safe: bool) -> type[Interrupted] | None:
        """Return why the run must stop, or None."""


class TaskContext:
    """
    The run, as its handler sees it.

    `progress` may be called a million times a second: it only remembers the newest values,
    and the engine stores them a few times a second.
    """

    __slots__ = (
        "_channel",
        "account_id",
        "attempt",
        "latest",
        "memory",
        "run_id",
        "task_id",
        "user_id",
    )

    def __init__(
        self,
        channel: Channel,
        *,
        run_id: UUID,
        task_id: UUID,
        account_id: UUID,
        user_id: int | None,
        attempt: int,
        memory: dict[str, Any] | None = None,
    ) -> None:
        self._channel = channel
        self.run_id = run_id
        self.task_id = task_id
        self.account_id = account_id
        self.user_id = user_id
        #: 1 for the first; higher after a crash, a failure, a stop, a pause or a wait.
        self.attempt = attempt
        #: What `remember` stored in this or an earlier attempt.
        self.memory: dict[str, Any] = dict(memory or {})
        #: The newest `(processed, total, text)`; None until the handler reports.
        self.latest: tuple[int, int | None, str | None] | None = None

    def progress(self, processed: int, total: int | None = None, text: str | None = None) -> None:
        """
        Report how far the work is, in elements of the handler's own choice.

        Args:
            processed: Elements done, 0 to `total`. Shown counts never go back.
            total: Elements there are; None leaves it as it was.
            text: What is being done, for people; None leaves it as it was.
        """
        if self.latest is not None and (total is None or text is None):
            _, known_total, known_text = self.latest
            total = known_total if total is None else total
            text = known_text if text is None else text
        self.latest = (processed, total, text)

    def message(self, level: str, key: str, text: str = "", **parameters: Any) -> None:
        """
        Say one line, for people; it is stored at once.

        Args:
            level: `info`, `warning` or `error`.
            key: Stable name for programs, at most 100 characters: `import.suite_error`.
            text: The line; the key stands in for it when empty.
            parameters: JSON values that belong to it.
        """
        self._channel.say(level, key, text, parameters)

    def checkpoint(self, *, safe: bool = False) -> None:
        """
        Stop here if the run must stop: call it wherever stopping does no harm.

        Args:
            safe: The work can be continued from here in another attempt (through `memory`),
                so that a worker that is being stopped need not wait for its end, and a run
                that somebody pauses stops here.

        Raises:
            Interrupted: cancelled, timed out, paused, no longer ours, or the worker stops. Let
                it pass.
        """
        reason = self._channel.stopping(safe=safe)
        if reason is not None:
            raise reason

    def remember(self, **values: Any) -> None:
        """
        Keep small JSON values over attempts: a cursor, what was made.

        Stored at once; within a transaction of the handler, together with it. Keep such a
        transaction short: it holds the run's row, whose lease must be renewed.
        """
        self.memory.update(values)
        self._channel.remember(self.memory)
