"""What a handler works against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from backgroundtasks.handlers.children import checked_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from backgroundtasks.handlers.children import Child


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


class Waiting(Interrupted):
    """The run lets go of its worker until its children have ended."""

    def __init__(self, *, progress: bool = True) -> None:
        super().__init__()
        #: The children's progress becomes that of the run.
        self.progress = progress


class Channel(Protocol):
    """What the engine does for a context."""

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        """Store a message of the run, in order."""

    def remember(self, memory: dict[str, Any]) -> None:
        """Store the run's memory now."""

    def commit_with_end(self) -> None:
        """Let the transaction at hand reach the disk with the run's end, not before."""

    def stopping(self, *, safe: bool) -> type[Interrupted] | None:
        """Return why the run must stop, or None."""

    def start_child(
        self,
        task_type: str,
        parameters: dict[str, Any],
        *,
        key: str,
        title: str,
        labels: Mapping[str, str] | None,
    ) -> UUID:
        """Start a child, or find the one of this key; return its run's id."""

    def children(self) -> list[Child]:
        """Return the children of the run, in the order of their start."""


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

    def commit_with_end(self) -> None:
        """
        Let the transaction at hand reach the disk with the run's end, instead of waiting for the disk.

        Where the database's machine loses its power in between, it may lose both, never the end
        alone; then the run is done again. So for idempotent handlers, in a transaction after
        which nothing is told to anybody outside of this database but by the end. PostgreSQL only:
        on SQLite no commit waits.
        """
        self._channel.commit_with_end()

    def start_child(
        self,
        task_type: str,
        parameters: dict[str, Any] | None = None,
        *,
        key: str,
        title: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> UUID:
        """
        Start a run of its own, at most once per key.

        A later attempt that comes here again gets the run that was started before. It belongs
        to the same owner and account, who must be allowed to start it. Call it outside of
        transactions.

        Args:
            task_type: In any letter case.
            parameters: As a caller sends them.
            key: This handler's name for it, 1 to 100 characters: `page-7`.
            title: For people; the handler's own by default.
            labels: Name to value, for people and their filters.

        Returns:
            The id of its run.

        Raises:
            Interrupted: cancelled, or no longer ours. Let it pass.
            TaskTypeUnknown, ParametersInvalid, LabelsInvalid, PermissionRefused,
            SubmissionRefused, SubmissionFailed, ExclusiveRunExists: as for any submission.
            RunConflict: it would wait for ever for an exclusive key that a run above it holds.
        """
        return self._channel.start_child(
            task_type, parameters or {}, key=checked_key(key), title=title, labels=labels
        )

    def children(self) -> list[Child]:
        """Return the children that this and earlier attempts started, in that order."""
        return self._channel.children()

    def wait_for_children(self, *, progress: bool = True) -> list[Child]:
        """
        Return the children when all of them have ended; until then let go of the worker.

        The handler is called anew, in another attempt, when the last child has ended; with
        `memory` and `start_child` it comes to the same place, and passes. That is no failure
        and safe by definition, also for handlers that are not idempotent: nothing may be left
        half done here. A child that failed does not raise: look at its state.

        Args:
            progress: Meanwhile the run shows the progress of its children together.

        Raises:
            Interrupted: not all have ended; or as `checkpoint(safe=True)`. Let it pass.
        """
        self.checkpoint(safe=True)
        children = self.children()
        if not all(child.has_ended for child in children):
            raise Waiting(progress=progress)
        return children
