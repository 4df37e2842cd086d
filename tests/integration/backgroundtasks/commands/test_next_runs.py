"""`next_runs`: what an operator asks before trusting an expression."""

import pytest
from django.core.management import CommandError, call_command


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    call_command("next_runs", *arguments)
    return capsys.readouterr().out.splitlines()


def test_prints_one_time_a_line_strictly_after_the_one_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(capsys, "0 0 4 ? * 7", "--after", "2026-11-28T04:00:00Z", "--count", "2")
    assert lines == ["2026-12-05T04:00:00Z", "2026-12-12T04:00:00Z"]


def test_reads_a_zone_and_takes_utc_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    hourly = "0 0 * * * ?"
    assert printed(capsys, hourly, "--after", "2026-01-01", "--count", "1") == [
        "2026-01-01T01:00:00Z"
    ]
    assert printed(capsys, hourly, "--after", "2026-01-01T00:00+02:00", "--count", "1") == [
        "2025-12-31T23:00:00Z"
    ]


def test_prints_ten_by_default_and_fewer_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(printed(capsys, "* * * * * ?")) == 10
    assert printed(capsys, "0 0 0 31 2 ?") == []


def test_says_what_is_wrong_and_exits_with_2() -> None:
    with pytest.raises(CommandError, match="position 4") as caught:
        call_command("next_runs", "0 0 24 * * ?")
    assert caught.value.returncode == 2


@pytest.mark.parametrize("wrong", [("--after", "soon"), ("--count", "0"), ("--count", "1" * 5000)])
def test_refuses_what_is_no_time_or_number(wrong: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match="is no"):
        call_command("next_runs", "* * * * * ?", *wrong)
