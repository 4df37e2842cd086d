"""
Every error that the core raises, and what may catch it.

    TaskCenterError                          code
    ├── TaskTypeUnknown                      task_type_unknown
    ├── ParametersInvalid                    parameters_invalid
    ├── LabelsInvalid                        labels_invalid
    ├── PermissionRefused                    permission_refused
    ├── SubmissionRefused                    submission_refused
    ├── SubmissionFailed                     submission_failed
    ├── IdempotencyConflict                  idempotency_conflict
    ├── AccountRefused                       account_refused
    ├── ScopeUnknown                         scope_unknown
    ├── SecretUnreadable                     secret_unreadable
    ├── RunNotFound                          run_not_found
    ├── ScheduleInvalid                      schedule_invalid
    ├── ScheduleNotFound                     schedule_not_found
    ├── ScheduleConflict                     schedule_conflict
    └── RunConflict                          run_conflict
        ├── TransitionRefused                transition_refused
        ├── NotPausable                      not_pausable
        └── ExclusiveRunExists               exclusive_run_exists

Codes are part of every dialect's contract: add new ones, never reword old ones. HTTP
statuses are not here; each dialect chooses its own.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TaskCenterError(Exception):
    """Never raised itself; catch it to catch whatever the core refuses."""

    code: ClassVar[str]


class TaskTypeUnknown(TaskCenterError):
    """No handler has this task type."""

    code = "task_type_unknown"

    def __init__(self, task_type: str) -> None:
        super().__init__(f"There is no task type {task_type!r}.")
        self.task_type = task_type


class ParametersInvalid(TaskCenterError):
    """The parameters do not fit the handler's serializer."""

    code = "parameters_invalid"

    def __init__(self, task_type: str, problems: dict[str, Any]) -> None:
        listed = "; ".join(f"{name}: {text}" for name, text in _flat(problems))
        super().__init__(f"The parameters of {task_type} are not valid. {listed}")
        self.task_type = task_type
        #: REST framework's shape: field name to list of texts, nested as the input was.
        self.problems = problems


class LabelsInvalid(TaskCenterError):
    """The labels cannot be stored."""

    code = "labels_invalid"


class PermissionRefused(TaskCenterError):
    """The user may not do this."""

    code = "permission_refused"

    def __init__(self, what: str, lack: str) -> None:
        super().__init__(f"You may not {what}: it needs {lack}.")
        self.what = what
        self.lack = lack


class SubmissionRefused(TaskCenterError):
    """The handler's own check refuses the submission; the text is its author's."""

    code = "submission_refused"


class SubmissionFailed(TaskCenterError):
    """The handler could not create the task; the text is its author's."""

    code = "submission_failed"


class IdempotencyConflict(TaskCenterError):
    """The idempotency key was used before, with another body."""

    code = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was used before with another request.")
        self.key = key


class AccountRefused(TaskCenterError):
    """The user belongs to no account, or not to the one that was asked for."""

    code = "account_refused"

    def __init__(self, username: str) -> None:
        super().__init__(f"The user {username!r} is not a member of the account.")
        self.username = username


class ScopeUnknown(TaskCenterError):
    """A credential was to be limited to something that there is not."""

    code = "scope_unknown"

    def __init__(self, scope: str, known: list[str]) -> None:
        super().__init__(f"There is no scope {scope!r}; the scopes are {', '.join(known)}.")
        self.scope = scope


class SecretUnreadable(TaskCenterError):
    """A stored secret was encrypted with a key that is not among the data keys."""

    code = "secret_unreadable"

    def __init__(self) -> None:
        super().__init__("A stored secret cannot be read: its data key is missing.")


class RunNotFound(TaskCenterError):
    """There is no such run, it was flushed, or the user may not see it."""

    code = "run_not_found"

    def __init__(self, run_id: object) -> None:
        super().__init__(f"There is no run {run_id}.")
        self.run_id = run_id


class ScheduleInvalid(TaskCenterError):
    """The times of a schedule do not make one."""

    code = "schedule_invalid"

    def __init__(self, problems: dict[str, str]) -> None:
        listed = " ".join(f"{name}: {text}" for name, text in _flat(problems))
        super().__init__(f"The times make no schedule. {listed}")
        #: Field name (of `operations.Timing`) to text.
        self.problems = problems


class ScheduleNotFound(TaskCenterError):
    """There is no such schedule, or the user may not see it."""

    code = "schedule_not_found"

    def __init__(self, task_id: object) -> None:
        super().__init__(f"There is no schedule {task_id}.")
        self.task_id = task_id


class ScheduleConflict(TaskCenterError):
    """The schedule is not in a condition that allows this: protected, or its run is under way."""

    code = "schedule_conflict"


class RunConflict(TaskCenterError):
    """The run is not in a condition that allows this."""

    code = "run_conflict"


class TransitionRefused(RunConflict):
    """The state machine has no such arrow, or someone else moved first."""

    code = "transition_refused"

    def __init__(self, run_id: object, found: str, wanted: str, advice: str = "") -> None:
        text = f"The run {run_id} is {found}; it cannot become {wanted}."
        super().__init__(f"{text} {advice}".rstrip())
        self.run_id = run_id
        self.found = found
        self.wanted = wanted


class NotPausable(RunConflict):
    """The handler has no safe checkpoints at which its runs could be paused."""

    code = "not_pausable"

    def __init__(self, task_type: str) -> None:
        super().__init__(
            f"A {task_type} cannot be paused while it runs: its handler does not say where."
        )
        self.task_type = task_type


class ExclusiveRunExists(RunConflict):
    """The handler allows one unfinished run for this key, and there is one."""

    code = "exclusive_run_exists"

    def __init__(self, task_type: str) -> None:
        super().__init__(f"A {task_type} for the same thing has not finished yet.")
        self.task_type = task_type


def _flat(problems: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return `(dotted field name, text)` for each problem of a nested REST framework error."""
    if isinstance(problems, dict):
        return [
            line
            for name, inner in problems.items()
            for line in _flat(inner, f"{prefix}.{name}" if prefix else str(name))
        ]
    if isinstance(problems, list):
        return [line for inner in problems for line in _flat(inner, prefix)]
    return [(prefix, str(problems))]
