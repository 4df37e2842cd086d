from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backgroundtasks import clock
from tickets.trackers.transport.retry_after import retry_after

NOW = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_nine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("7", 7),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("0", 0),
        ("-3", 0),
        ("999999", 3600),
        ("Wed, 25 Nov 2026 21:00:30 GMT", 30),
        ("Wednesday, 25-Nov-26 21:00:30 GMT", 30),
        ("Wed Nov 25 21:00:30 2026", 30),
        ("Wed, 25 Nov 2026 20:00:00 GMT", 0),
        ("2026-11-25T21:01:00Z", 60),
        (str(int(NOW.timestamp()) + 90), 90),
    ],
)
def test_takes_every_spelling(value: str, seconds: float) -> None:
    assert retry_after({"retry-after": value}) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "nan",
        "inf",
        "Wed, 99 Nov 2026 21:00:30 GMT",
        "Wed, 25 Nov 99999999999999999999 21:00:30 GMT",
        "Wed, 25 Nov 2026 21:00:30 +99999999999999",
        "9" * 5000 + "-11-25",
    ],
)
def test_says_nothing_where_nothing_is_said(value: str) -> None:
    assert retry_after({"retry-after": value}) is None
    assert retry_after({}) is None


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 20)}, 20),
        ({"x-ratelimit-reset": "2026-11-25T21:00:40Z"}, 40),
        ({"ratelimit-reset": "50"}, 50),
        ({"retry-after": "5", "x-ratelimit-reset": "50"}, 5),
    ],
)
def test_takes_the_reset_of_a_rate_limit_where_it_is_missing(
    headers: dict[str, str], seconds: int
) -> None:
    assert retry_after(headers) == timedelta(seconds=seconds)


def test_takes_no_reset_where_nothing_was_limited() -> None:
    headers = {"x-ratelimit-reset": "50", "ratelimit-reset": "50"}

    assert retry_after(headers, limited=False) is None
    assert retry_after({**headers, "retry-after": "5"}, limited=False) == timedelta(seconds=5)
