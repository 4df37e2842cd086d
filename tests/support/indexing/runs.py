"""A run of a handler without an engine: its context, and what came through it."""

import uuid
from collections.abc import Callable
from typing import Any

from backgroundtasks.handlers import Interrupted, TaskContext


class Recorder:
    """Stands in for the engine; `on_checkpoint` may act, and may say that the run must stop."""

    def __init__(
        self, on_checkpoint: Callable[[int], type[Interrupted] | None] | None = None
    ) -> None:
        self.memory: dict[str, Any] = {}
        self.checkpoints = 0
        self.shown: list[tuple[int, int | None, str | None]] = []
        self.context: TaskContext | None = None
        self._on_checkpoint = on_checkpoint

    def say(self, level: str, key: str, text: str, parameters: dict[str, Any]) -> None:
        raise AssertionError(text)

    def remember(self, memory: dict[str, Any]) -> None:
        self._look()
        self.memory = dict(memory)

    def stopping(self, *, safe: bool) -> type[Interrupted] | None:
        assert safe
        self._look()
        self.checkpoints += 1
        return self._on_checkpoint(self.checkpoints) if self._on_checkpoint else None

    def _look(self) -> None:
        latest = self.context.latest if self.context else None
        if latest is not None and (not self.shown or self.shown[-1] != latest):
            self.shown.append(latest)


def context(
    recorder: Recorder, account_id: uuid.UUID, memory: dict[str, Any] | None = None
) -> TaskContext:
    recorder.context = TaskContext(
        recorder,
        run_id=uuid.uuid4(),
        task_id=uuid.uuid4(),
        account_id=account_id,
        user_id=None,
        attempt=1,
        memory=memory,
    )
    return recorder.context
