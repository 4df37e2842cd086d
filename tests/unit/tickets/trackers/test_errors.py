from __future__ import annotations

import inspect
import re
from datetime import timedelta

import pytest

from tickets.trackers import errors
from tickets.trackers.errors import TrackerError

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, TrackerError) and member is not TrackerError
]
#: A value for each parameter that an error of the tree takes.
VALUES: dict[str, object] = {
    "tracker": "Shop bugs",
    "problems": {"summary": "may not be empty"},
    "reason": "it is broken JSON",
    "key": "TST-1\n" + "x" * 200,
    "example": "TST-12",
    "project": "TST",
    "moved_to": "OTH-1",
    "places": ["Shop bugs", "Old bugs"],
    "detail": "Invalid Login.",
    "what": "create it",
    "retry_after": timedelta(seconds=7),
    "limit": 2 * 1024**2,
}
SENTENCES: dict[str, object] = {"problems": ["It needs a secret."], "reason": "It is not public."}


def test_the_drawing_is_the_tree() -> None:
    drawn: dict[str, tuple[str, str]] = {}
    above: dict[int, str] = {0: "TrackerError"}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]+)([A-Z]\w+) +(\w+)", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            drawn[match[2]] = (above[depth - 1], match[3])

    assert drawn == {
        error.__name__: (error.__base__.__name__, error.code)  # type: ignore[union-attr]
        for error in CLASSES
    }


@pytest.mark.parametrize(
    "error",
    [error for error in CLASSES if error is not errors.Temporary],
    ids=lambda error: error.__name__,
)
def test_every_error_has_a_short_text_of_one_line(error: type[TrackerError]) -> None:
    values = VALUES | SENTENCES if issubclass(error, errors.ConnectionInvalid) else VALUES

    text = str(error(*[values[name] for name in inspect.signature(error).parameters]))

    assert re.fullmatch(r"[A-Z'].+\.", text), text
    assert "\n" not in text
    assert len(text) < 250


def test_no_code_is_used_twice() -> None:
    codes = [error.code for error in CLASSES]

    assert len(codes) == len(set(codes))
