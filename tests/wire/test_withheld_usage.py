from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.withheld_usage import LONGEST_EVENT, WithoutUsage

CHUNK = b'{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]%s}'
PLAIN = b"data: " + CHUNK % b"" + b"\n\n"
ASKED = b"data: " + CHUNK % b',"usage":null' + b"\n\n"
LAST = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def through(stream, cuts=()):
    held = WithoutUsage()
    edges = [0, *sorted(cuts), len(stream)]
    out = b"".join(held.feed(stream[a:b]) for a, b in itertools.pairwise(edges))
    return out + held.end()


def test_the_client_gets_what_it_would_have_got():
    assert through(ASKED + ASKED + LAST + DONE) == PLAIN + PLAIN + DONE


@pytest.mark.parametrize(
    "stream",
    [
        PLAIN + DONE,
        b": OPENROUTER PROCESSING\n\n" + PLAIN + DONE,
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n',
        b'data: {"choices":[{"delta":{"content":"say \\"usage\\":null}"}}]}\n\n',
        b'data: {"choices":[{"delta":{"usage":null}}]}\n\n',
        b'data: {"choices":[],"prompt_filter_results":[]}\n\n',
        b'data: {"error":{"message":"\\"usage\\""}}\n\n',
        b'data: not json "usage"\n\n',
        b'data: {"usage":null,\ndata: "choices":[]}\n\n',
        b'data: {"usage":null,"usage":null}\n\n',
        b"event: ping\n\n",
        b"",
        b"\n\n\n",
        b'data: {"choices":[]}',
    ],
)
def test_everything_else_is_left_as_it_is(stream):
    assert through(stream) == stream


def test_wherever_the_member_stands():
    first = b'data: {"usage":null,"id":"c"}\n\n'
    middle = b'data: {"id":"c" , "usage" : null , "obfuscation":"x"}\n\n'
    assert through(first) == b'data: {"id":"c"}\n\n'
    assert json.loads(through(middle)[6:]) == {"id": "c", "obfuscation": "x"}


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_whatever_ends_a_line(end):
    stream, left = (each.replace(b"\n", end) for each in (ASKED + LAST + DONE, PLAIN + DONE))
    assert through(stream) == left


@given(
    st.lists(st.sampled_from([PLAIN, ASKED, LAST, DONE, b": ping\n\n", PLAIN.replace(b"\n", b"\r\n")]), max_size=8),
    st.sets(st.integers(min_value=0, max_value=900)),
)
def test_however_it_is_cut(events, cuts):
    stream = b"".join(events)
    expected = b"".join(PLAIN if event is ASKED else event for event in events if event is not LAST)
    assert through(stream, [cut for cut in cuts if cut < len(stream)]) == expected


@given(st.binary(max_size=200), st.sets(st.integers(min_value=0, max_value=200)))
def test_bytes_that_speak_of_no_usage_go_through_whatever_they_are(stream, cuts):
    assert through(stream, [cut for cut in cuts if cut < len(stream)]) == stream


def test_events_go_out_as_soon_as_they_are_whole():
    held = WithoutUsage()
    assert held.feed(ASKED[:20]) == b""
    assert held.feed(ASKED[20:] + PLAIN[:9]) == PLAIN
    assert not held.mid_event
    assert held.feed(PLAIN[9:]) == PLAIN


def test_an_event_that_is_too_long_is_not_held_for_ever():
    held = WithoutUsage()
    begun = b'data: {"usage":null,"x":"' + b"x" * LONGEST_EVENT
    assert held.feed(begun) == begun
    assert held.mid_event
    assert held.feed(b'y"}\n\n' + ASKED) == b'y"}\n\n' + PLAIN
    assert not held.mid_event


def test_a_last_event_without_its_blank_line():
    assert through(PLAIN + LAST[:-2]) == PLAIN
