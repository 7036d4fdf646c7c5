import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.settings.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", timedelta()),
        ("0s", timedelta()),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("60d", timedelta(days=60)),
        ("720h", timedelta(days=30)),
        ("876600h", timedelta(days=36525)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("1h30m0s", timedelta(hours=1, minutes=30)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("5us", timedelta(microseconds=5)),
        ("5µs", timedelta(microseconds=5)),
        ("5μs", timedelta(microseconds=5)),
        ("3000ns", timedelta(microseconds=3)),
        (" 10s ", timedelta(seconds=10)),
    ],
)
def test_reads(text, expected):
    assert parse_duration(text) == expected


def test_a_very_short_time_is_not_zero_which_would_mean_off():
    assert parse_duration("1ns") == timedelta(microseconds=1)


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "1d 12h", "10x", "d10", "1e3s", "\u0661s", "10s\n10s", "1.s"])
def test_refuses_what_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration; write numbers with the units ns us ms s m h d w"):
        parse_duration(text)


def test_refuses_a_negative_one():
    with pytest.raises(ValueError, match="cannot be negative"):
        parse_duration("-1h")


def test_refuses_one_that_is_too_long_to_hold():
    with pytest.raises(ValueError, match="too long"):
        parse_duration("99999999999999w")


@given(st.timedeltas(min_value=timedelta()))
def test_what_is_written_reads_back_the_same(duration):
    assert parse_duration(format_duration(duration)) == duration


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= timedelta()


@pytest.mark.parametrize(("text", "written"), [("0", "0s"), ("1440h", "60d"), ("90m", "1h30m"), ("1500us", "1ms500us")])
def test_writes_the_way_people_read(text, written):
    assert format_duration(parse_duration(text)) == written
