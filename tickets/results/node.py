"""One result: a suite or a test case of a report, and the words for how it ended."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a node ended, as it is stored and shown."""

    NOT_RUN = "NotRun"  #: a suite without test cases
    SKIPPED = "Skipped"
    PASSED = "Passed"
    FAILED = "Failed"  #: has a failure and no error; a suite: its worst case
    ERROR = "Error"  #: has an error; a suite: its own, or its worst case


class Node(NamedTuple):
    """
    A suite or a test case.

    Nodes come in the order in which their elements end, so a suite follows its
    children; `position` is the order in which they begin.
    """

    position: int  #: 0, 1, 2 … over all reports of one import, in document order
    parent: int | None  #: `position` of the suite around it; None for a root node
    is_case: bool
    name: str
    class_name: str
    status: Status
    is_flaky: bool  #: passed after a flaky failure or error
    seconds: float | None  #: None when absent or unreadable
    started_at: datetime | None
    finished_at: datetime | None
    description: str | None  #: messages and traces of errors, failures, skips
    metadata: dict[str, str] | None  #: other attributes, system-out, system-err
    parameters: dict[str, str] | None  #: the properties
    has_children: bool
    mentions: tuple[str, ...] = ()  #: paths of files that its output names, each once, in order
