import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire import sse
from aigateway.wire.sse import SseSplitter

STREAM = (
    '\N{BYTE ORDER MARK}event: a\ndata: {"x": "\N{GRINNING FACE}"}\n\n'
    ": a comment\n\n"
    "data:1\ndata: 2\ndata\nid: 7\nretry: 3\n\n"
    "\n\nevent: b\nunknown: field\ndata:  two spaces\n\n"
    "event: without data\n\n"
    "data: [DONE]\n\n"
    "data: unterminated"
).encode()
EVENTS = [
    (b"a", '{"x": "\N{GRINNING FACE}"}'.encode()),
    (b"", b"1\n2\n"),
    (b"b", b" two spaces"),
    (b"", b"[DONE]"),
    (b"", b"unterminated"),
]


def split(pieces):
    splitter = SseSplitter()
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events + splitter.end()


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[left:right] for left, right in itertools.pairwise(edges)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@given(places=st.lists(st.integers(min_value=0, max_value=1000), max_size=20))
def test_any_cut_of_any_line_ending_gives_the_same_events(line_end, places):
    assert split(cut(STREAM.replace(b"\n", line_end), places)) == EVENTS


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_bytes_one_by_one_give_the_same_events(line_end):
    stream = STREAM.replace(b"\n", line_end)
    assert split([stream[i : i + 1] for i in range(len(stream))]) == EVENTS


@given(pieces=st.lists(st.binary(max_size=30), max_size=10))
def test_any_bytes_cut_anyhow_give_what_the_whole_gives(pieces):
    assert split(pieces) == split([b"".join(pieces)])


def test_a_line_of_30_mib_is_one_event_and_takes_no_quadratic_time():
    line = b"data: " + b"x" * (30 << 20) + b"\n\n"
    began = time.perf_counter()

    events = split([line[i : i + 1024] for i in range(0, len(line), 1024)])

    assert len(events[0][1]) == 30 << 20
    assert time.perf_counter() - began < 5


def test_an_oversize_event_is_skipped_and_reading_goes_on(monkeypatch):
    monkeypatch.setattr(sse, "LARGEST_EVENT", 100)
    for pieces in (lambda data: [data], lambda data: [data[i : i + 7] for i in range(0, len(data), 7)]):
        splitter = SseSplitter()
        stream = b"data: 1\n\n" + b"data: " + b"x" * 300 + b"\n\ndata: 2\n\n"
        events = [event for piece in pieces(stream) for event in splitter.feed(piece)]

        assert [data for _, data in events] == [b"1", b"2"]
        assert splitter.oversize == 1
        assert not splitter.mid_event


def test_an_oversize_event_that_never_ends_keeps_no_memory(monkeypatch):
    monkeypatch.setattr(sse, "LARGEST_EVENT", 100)
    splitter = SseSplitter()
    for _ in range(1000):
        assert splitter.feed(b"x" * 50) == []

    assert len(splitter._buffer) <= 100
    assert splitter.end() == []
    assert splitter.oversize == 1


def test_it_knows_when_it_is_inside_an_event():
    splitter = SseSplitter()
    assert not splitter.mid_event
    splitter.feed(b"data: 1\n")
    assert splitter.mid_event
    splitter.feed(b"\n")
    assert not splitter.mid_event
