from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.api import search
from aigateway.api.search import BadSearch

KEYS = frozenset({"initiator", "model", "client", "started_after", "text"})


def parse(text, default="initiator"):
    return search.parse(text, keys=KEYS, default=default)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("   ", {}),
        ('""', {}),
        ("ann", {"initiator": "ann"}),
        ("ann lee", {"initiator": "ann lee"}),
        ("model:gpt-5 ann", {"model": "gpt-5", "initiator": "ann"}),
        ("MODEL:GPT", {"model": "GPT"}),
        ('client:"Claude Code"', {"client": "Claude Code"}),
        ('"client:x"', {"initiator": "client:x"}),
        ('started_after:"2026-01-01T00:00:00Z"', {"started_after": "2026-01-01T00:00:00Z"}),
        ('model:a"b c"d', {"model": "ab cd"}),
        ('text:a text:"b c" TEXT:d', {"text": "a + b c + d"}),
        ('text:"a + b c"', {"text": "a + b c"}),
    ],
)
def test_what_is_understood(text, values):
    assert parse(text) == values


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (":x", "needs a key"),
        ("model:", "needs a key"),
        (":", "needs a key"),
        ("model:a:b", "more than one colon"),
        ("started_after:2026-01-01T00:00:00Z", "more than one colon"),
        ("nonsense:x", "no key"),
        ("model:a model:b", "more than once"),
        ("ann initiator:bob", "more than once"),
        ('model:"a', "not closed"),
        ("model:\x00", "NUL"),
    ],
)
def test_what_is_not(text, why):
    with pytest.raises(BadSearch, match=why):
        parse(text)


def test_a_bare_word_needs_a_key_to_go_to():
    with pytest.raises(BadSearch, match="has no key"):
        parse("ann", default=None)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T13:45:00Z", datetime(2026, 1, 31, 13, 45, tzinfo=UTC)),
        ("2026-01-31t13:45:00.123456789z", datetime(2026, 1, 31, 13, 45, 0, 123456, tzinfo=UTC)),
        ("2026-01-31T13:45:00+02:00", datetime(2026, 1, 31, 11, 45, tzinfo=UTC)),
    ],
)
def test_times(text, moment):
    assert search.time("started_after", text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T13:45:00",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time(text):
    with pytest.raises(BadSearch, match="is not a time"):
        search.time("started_after", text)


@given(st.text(alphabet=st.sampled_from('ab:" \tmodel\x00é'), max_size=40))
def test_any_text_is_understood_or_refused(text):
    with contextlib.suppress(BadSearch):
        values = parse(text)
        assert values.keys() <= KEYS
        assert all(values.values())
