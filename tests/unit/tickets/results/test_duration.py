from datetime import UTC, datetime

import pytest

from tickets.results.duration import later, moment, seconds


class TestSeconds:
    @pytest.mark.parametrize(
        "text, value",
        [
            ("0", 0.0),
            ("1.5", 1.5),
            (" 2 ", 2.0),
            ("1e-3", 0.001),
            ("1,234.5", 1234.5),
            ("2,503.1", 2503.1),
            ("1,234", 1234.0),
            ("12,345,678.9", 12_345_678.9),
            ("0,003", 0.003),
            ("1,5", 1.5),
            ("12,3456", 12.3456),
            ("1.234,5", 1234.5),
        ],
    )
    def test_reads_every_spelling(self, text: str, value: float) -> None:
        assert seconds(text) == pytest.approx(value)

    @pytest.mark.parametrize(
        "text", ["", "abc", "NaN", "-345345", "inf", "1e10", "1,2,3", "5s", "٣,٤x"]
    )
    def test_is_none_for_what_is_no_duration(self, text: str) -> None:
        assert seconds(text) is None


class TestMoment:
    @pytest.mark.parametrize(
        "text, value",
        [
            ("2009-01-16T22:57:13", datetime(2009, 1, 16, 22, 57, 13, tzinfo=UTC)),
            ("2010-07-23T20:34:59.300", datetime(2010, 7, 23, 20, 34, 59, 300_000, tzinfo=UTC)),
            ("2024-03-05T08:15:42Z", datetime(2024, 3, 5, 8, 15, 42, tzinfo=UTC)),
            ("2024-03-05T08:15:42+05:30", datetime(2024, 3, 5, 2, 45, 42, tzinfo=UTC)),
            ("2024-03-05", datetime(2024, 3, 5, tzinfo=UTC)),
        ],
    )
    def test_is_aware_and_utc(self, text: str, value: datetime) -> None:
        assert moment(text) == value

    @pytest.mark.parametrize("text", ["", "yesterday", "0001-01-01T00:00:00+14:00", "1710000000"])
    def test_is_none_for_what_cannot_be_read(self, text: str) -> None:
        assert moment(text) is None


class TestLater:
    def test_is_none_when_either_is_unknown(self) -> None:
        assert later(None, 1.0) is None
        assert later(datetime(2024, 1, 1, tzinfo=UTC), None) is None

    def test_is_none_beyond_the_calendar(self) -> None:
        assert later(datetime(9999, 12, 31, tzinfo=UTC), 1e9) is None
