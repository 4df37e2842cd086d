"""Every error of the core, with its code and its text."""

from __future__ import annotations

import pytest

from backgroundtasks import exceptions
from backgroundtasks.exceptions import TaskCenterError

ERRORS: dict[TaskCenterError, tuple[str, str]] = {
    exceptions.TaskTypeUnknown("Dig"): ("task_type_unknown", "There is no task type 'Dig'."),
    exceptions.ParametersInvalid(
        "Dig", {"Depth": ["Too deep.", "Odd."], "Tools": [{"Name": ["Missing."]}], "": ["Both."]}
    ): (
        "parameters_invalid",
        (
            "The parameters of Dig are not valid. Depth: Too deep.; Depth: Odd.; "
            "Tools.Name: Missing.; : Both."
        ),
    ),
    exceptions.LabelsInvalid("A label has a name."): ("labels_invalid", "A label has a name."),
    exceptions.PermissionRefused("start Dig", "a spade"): (
        "permission_refused",
        "You may not start Dig: it needs a spade.",
    ),
    exceptions.SubmissionRefused("Not on Sundays."): ("submission_refused", "Not on Sundays."),
    exceptions.SubmissionFailed("No ground."): ("submission_failed", "No ground."),
    exceptions.IdempotencyConflict("k"): (
        "idempotency_conflict",
        "The idempotency key 'k' was used before with another request.",
    ),
    exceptions.AccountRefused("ann"): (
        "account_refused",
        "The user 'ann' is not a member of the account.",
    ),
    exceptions.ScopeUnknown("all", ["a", "b"]): (
        "scope_unknown",
        "There is no scope 'all'; the scopes are a, b.",
    ),
    exceptions.SecretUnreadable(): (
        "secret_unreadable",
        "A stored secret cannot be read: its data key is missing.",
    ),
    exceptions.RunNotFound("7"): ("run_not_found", "There is no run 7."),
    exceptions.ScheduleInvalid({"expression": "Is none.", "ends_at": "Is past."}): (
        "schedule_invalid",
        "The times make no schedule. expression: Is none. ends_at: Is past.",
    ),
    exceptions.ScheduleNotFound("7"): ("schedule_not_found", "There is no schedule 7."),
    exceptions.ScheduleConflict("Not now."): ("schedule_conflict", "Not now."),
    exceptions.RunConflict("Not now."): ("run_conflict", "Not now."),
    exceptions.TransitionRefused("7", "failed", "cancelled"): (
        "transition_refused",
        "The run 7 is failed; it cannot become cancelled.",
    ),
    exceptions.NotPausable("Dig"): (
        "not_pausable",
        "A Dig cannot be paused while it runs: its handler does not say where.",
    ),
    exceptions.ExclusiveRunExists("Dig"): (
        "exclusive_run_exists",
        "A Dig for the same thing has not finished yet.",
    ),
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_has_its_code_and_text(error: TaskCenterError) -> None:
    assert (error.code, str(error)) == ERRORS[error]


def test_no_error_of_the_tree_is_missing_here_and_no_code_is_used_twice() -> None:
    def tree(parent: type[TaskCenterError]) -> set[type[TaskCenterError]]:
        return {found for child in parent.__subclasses__() for found in ({child} | tree(child))}

    ours = {error for error in tree(TaskCenterError) if error.__module__ == exceptions.__name__}

    assert {type(error) for error in ERRORS} == ours
    assert len({error.code for error in ours}) == len(ours)
