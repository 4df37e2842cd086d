"""When a Quartz expression fires. The vectors of the real Quartz are in tests/conformance."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backgroundtasks.cron import CronInvalid, parse

NOON = datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC)  # a Saturday


def fires(expression: str, count: int = 4, after: datetime = NOON) -> list[str]:
    found: list[str] = []
    cron, moment = parse(expression), after
    while len(found) < count and (following := cron.next_after(moment)):
        found.append(f"{following:%Y-%m-%d %H:%M:%S}")
        moment = following
    return found


def dates(expression: str, count: int = 4) -> list[str]:
    return [fire.removesuffix(" 00:00:00") for fire in fires(expression, count)]


class TestTimesOfDay:
    def test_lists_ranges_and_steps_in_any_order(self) -> None:
        assert fires("5,1 0 13-14 * * ?", 5) == [
            "2026-11-21 13:00:01",
            "2026-11-21 13:00:05",
            "2026-11-21 14:00:01",
            "2026-11-21 14:00:05",
            "2026-11-22 13:00:01",
        ]

    def test_a_range_of_hours_goes_over_midnight(self) -> None:
        assert fires("0 0 22-2/2 * * ?") == [
            "2026-11-21 22:00:00",
            "2026-11-22 00:00:00",
            "2026-11-22 02:00:00",
            "2026-11-22 22:00:00",
        ]

    def test_a_step_from_a_value_goes_to_the_end(self) -> None:
        assert fires("0 50/5 * * * ?", 3) == [
            "2026-11-21 12:50:00",
            "2026-11-21 12:55:00",
            "2026-11-21 13:50:00",
        ]

    def test_a_fraction_of_a_second_counts_as_before_the_next(self) -> None:
        late = NOON.replace(microsecond=999_999)
        assert fires("* * * * * ?", 1, late) == ["2026-11-21 12:00:02"]

    def test_a_moment_in_another_zone_is_the_same_moment(self) -> None:
        moment = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert fires("0 0 * * * ?", 1, moment) == ["2026-11-21 13:00:00"]


class TestDaysOfTheMonth:
    def test_one_beyond_the_end_skips_the_month(self) -> None:
        assert dates("0 0 0 31 * ?") == ["2026-12-31", "2027-01-31", "2027-03-31", "2027-05-31"]

    def test_days_before_the_last(self) -> None:
        assert dates("0 0 0 L-3 * ?", 3) == ["2026-11-27", "2026-12-28", "2027-01-28"]

    def test_thirty_before_the_last_is_the_first_of_long_months_only(self) -> None:
        assert dates("0 0 0 L-30 * ?", 3) == ["2026-12-01", "2027-01-01", "2027-03-01"]

    def test_the_weekday_nearest_stays_in_its_month(self) -> None:
        # Saturday 1st of May to Monday, Sunday 28th of February to Friday.
        assert dates("0 0 0 1W 5 ?", 1) == ["2027-05-03"]
        assert dates("0 0 0 LW 2 ?", 1) == ["2027-02-26"]

    def test_the_31st_by_weekday_skips_short_months(self) -> None:
        assert dates("0 0 0 31W * ?", 3) == ["2026-12-31", "2027-01-29", "2027-03-31"]

    def test_a_weekday_near_counts_from_the_last(self) -> None:
        assert dates("0 0 0 L-3W * ?", 2) == ["2026-11-27", "2026-12-28"]

    def test_a_weekday_fires_at_all_its_times(self) -> None:
        """The real Quartz loses some of these."""
        assert fires("0 0 6,18 15W 5 ?", 3) == [
            "2027-05-14 06:00:00",
            "2027-05-14 18:00:00",
            "2028-05-15 06:00:00",
        ]


class TestDaysOfTheWeek:
    def test_a_range_goes_over_the_weekend(self) -> None:
        assert dates("0 0 0 ? * SAT-MON") == [
            "2026-11-22",
            "2026-11-23",
            "2026-11-28",
            "2026-11-29",
        ]

    def test_the_fifth_skips_months_that_have_none(self) -> None:
        assert dates("0 0 0 ? * SUN#5", 3) == ["2026-11-29", "2027-01-31", "2027-05-30"]

    def test_a_bare_l_is_saturday(self) -> None:
        assert dates("0 0 0 ? * L", 2) == ["2026-11-28", "2026-12-05"]


class TestAnEnd:
    def test_of_the_calendar_is_no_error(self) -> None:
        last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=12)))
        first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=12)))
        assert fires("* * * * * ?", 1, last) == []
        assert fires("0 0 0 1 1 ?", 1, first) == ["1970-01-01 00:00:00"]

    def test_comes_with_the_last_year(self) -> None:
        assert fires("0 0 0 1 1 ? 2027-2028") == ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]

    @pytest.mark.parametrize("expression", ["0 0 0 31 2 ?", "0 0 0 30W 2 ?", "0 0 0 1 1 ? 1999"])
    def test_may_come_before_the_first_time(self, expression: str) -> None:
        assert fires(expression) == []

    def test_is_not_taken_for_the_years_without_a_leap_day(self) -> None:
        assert fires("0 0 0 29 2 ?", 1, datetime(2097, 1, 1, tzinfo=UTC)) == ["2104-02-29 00:00:00"]


@pytest.mark.parametrize(
    "expression, position",
    [
        ("", 0),
        ("0 0 0 * *", 9),
        ("0 0 0 * * ? * *", 15),
        ("60 0 0 * * ?", 0),
        ("0 0 0 * * * ", 10),
        ("0 ? 0 * * ?", 2),
        ("0 0 0 1,? * MON", 8),
        ("0 0 0 1,L * ?", 8),
        ("0 0 0 1W,15W * ?", 6),
        ("0 0 0 L-31 * ?", 8),
        ("0 0 0 * FEB-FOO ?", 12),
        ("0 0/0 0 * * ?", 4),
        ("0 0/60 0 * * ?", 4),
        ("0 0 0 ? * 2#6", 12),
        ("0 0 0 ? * 2,3#1", 12),
        ("0 0 0 1 1 ? 2028-2027", 12),
        ("0 0 0 1 1 ? 2200", 12),
        ("0 0 0 -1 * ?", 6),
        ("0 0 0 1,,2 * ?", 8),
        ("0 0 \u0661 1 * ?", 4),
        ("0 0/" + "9" * 5000 + " 0 1 * ?", 2),
    ],
)
def test_what_is_no_expression_is_refused_with_the_place(expression: str, position: int) -> None:
    with pytest.raises(CronInvalid) as caught:
        parse(expression)
    assert caught.value.position == position
    assert str(position) in str(caught.value)


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high).map(str)
    step = st.integers(1, high).map(str)
    item = st.one_of(
        st.just("*"),
        value,
        st.builds("{}-{}".format, value, value),
        st.builds("{}/{}".format, value, step),
        st.builds("{}-{}/{}".format, value, value, step),
    )
    return st.lists(item, min_size=1, max_size=3).map(",".join)


days = st.one_of(
    st.builds("{} {{}} ?".format, numbers(1, 31)),
    st.sampled_from(["L", "LW", "L-3", "L-3W", "1W", "15W", "31W"]).map("{} {{}} ?".format),
    st.builds("? {{}} {}".format, numbers(1, 7)),
    st.builds("? {{}} {}#{}".format, st.integers(1, 7), st.integers(1, 5)),
    st.builds("? {{}} {}L".format, st.integers(1, 7)),
)
expressions = st.builds(
    lambda second, minute, hour, day, month: f"{second} {minute} {hour} {day.format(month)}",
    numbers(0, 59),
    numbers(0, 59),
    numbers(0, 23),
    days,
    numbers(1, 12),
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(expressions, moments, st.floats(0, 1))
def test_the_next_time_is_later_and_none_lies_between(
    expression: str, moment: datetime, part: float
) -> None:
    cron = parse(expression)
    following = cron.next_after(moment)
    if following is None:
        return
    assert following > moment
    assert following.microsecond == 0
    between = moment + (following - moment) * part
    if between < following:
        assert cron.next_after(between) == following
    assert cron.next_after(following - timedelta(seconds=1)) == following


@settings(deadline=None)
@given(expressions, moments)
def test_every_value_of_a_time_is_one_that_its_field_names(
    expression: str, moment: datetime
) -> None:
    cron = parse(expression)
    following = cron.next_after(moment)
    if following is not None:
        assert following.second in cron.seconds
        assert following.minute in cron.minutes
        assert following.hour in cron.hours
        assert following.month in cron.months
        assert following.day in cron.days_of(following.year, following.month)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CronInvalid):
        parse(text)
