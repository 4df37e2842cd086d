"""Cron expressions in words."""

from __future__ import annotations

import pytest

from backgroundtasks.cron_words import in_words


@pytest.mark.parametrize(
    "expression, words",
    [
        ("0 0 4 ? * 7", "At 04:00, only on Saturday"),
        ("0 0/20 * * * ?", "Every 20 minutes"),
        ("0 0 12 LW * ?", "At 12:00, on the last weekday of the month"),
        ("0 0 12 ? * 6#3", "At 12:00, on the third Friday of the month"),
        ("0 0 18 ? * MON-FRI", "At 18:00, Monday through Friday"),
        ("0 0 12 ? * L", "At 12:00, only on Saturday"),
        ("0 30 2 * * ? 2030", "At 02:30, only in 2030"),
    ],
)
def test_says_when_it_fires(expression: str, words: str) -> None:
    assert in_words(expression) == words


@pytest.mark.parametrize("text", ["", "x", "every day", "0 0 99 ? * 7 8 9"])
def test_of_what_is_no_expression_it_says_nothing(text: str) -> None:
    assert in_words(text) == ""
