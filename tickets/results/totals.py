"""What a run of tests counts."""

from dataclasses import dataclass

from tickets.results.node import Status


@dataclass(slots=True)
class Totals:
    """
    Counts over the nodes of one import.

    Each test case is one of errors, else failed, else skipped, else passed;
    `warnings` counts those of the passed that passed only after a flaky failure.
    """

    errors: int = 0
    failed: int = 0
    skipped: int = 0
    passed: int = 0
    warnings: int = 0
    suites: int = 0
    suite_errors: int = 0  #: suites with an error of their own
    unread_durations: int = 0  #: `time` attributes that are no duration

    @property
    def results(self) -> int:
        """Return the number of test cases."""
        return self.errors + self.failed + self.skipped + self.passed

    @property
    def nodes(self) -> int:
        """Return the number of suites and test cases."""
        return self.suites + self.results

    @property
    def status(self) -> Status:
        """Return how the whole run ended: `FAILED` when anything at all went wrong."""
        if self.errors or self.failed or self.suite_errors:
            return Status.FAILED
        if self.passed:
            return Status.PASSED
        return Status.SKIPPED if self.skipped else Status.NOT_RUN
