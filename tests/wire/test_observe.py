"""What the observers promise of any answer: every recorded stream, cut anywhere, damaged anywhere, in any coding."""

import gzip
import json
import zlib
from itertools import pairwise
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aigateway.wire import observe
from aigateway.wire.encodings import zstd
from aigateway.wire.facts import AnswerError, AnswerFacts, ApiFormat
from aigateway.wire.observe import observer_for

STREAMS = {path.stem: path.read_bytes() for path in (Path(__file__).parents[1] / "fixtures/streams").glob("*.sse")}
NAMES = sorted(STREAMS)


def api_of(name):
    return ApiFormat(name.partition("-")[0])


def observer(api, content_type="text/event-stream", encoding="", status=200):
    return observer_for(api, content_type=content_type, content_encoding=encoding, status=status)


def observed(pieces, api, **header):
    watching = observer(api, **header)
    for piece in pieces:
        watching.feed(piece)
    return watching.facts()


@pytest.mark.parametrize("name", NAMES)
@given(places=st.lists(st.integers(min_value=0, max_value=6000), max_size=12))
def test_any_cut_into_pieces_gives_the_same_facts(name, places):
    stream, api = STREAMS[name], api_of(name)
    edges = [0, *sorted(place % len(stream) for place in places), len(stream)]
    assert observed([stream[left:right] for left, right in pairwise(edges)], api) == observed([stream], api)


@pytest.mark.parametrize("at_once", [2, 3, 50])
@pytest.mark.parametrize("name", NAMES)
def test_events_that_come_together_are_told_by_what_came_before_them(name, at_once):
    stream, api = STREAMS[name], api_of(name)
    first, *events = (event + b"\n\n" for event in stream.split(b"\n\n")[:-1])
    rest = stream[len(first) + sum(map(len, events)) :]
    together = [b"".join(events[place : place + at_once]) for place in range(0, len(events), at_once)]
    assert observed([first, *together, rest], api) == observed([stream], api)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_one_by_one_give_the_same_facts(name):
    stream, api = STREAMS[name], api_of(name)
    assert observed([stream[i : i + 1] for i in range(len(stream))], api) == observed([stream], api)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_damaged_bytes_never_raise(name, data):
    stream = bytearray(STREAMS[name])
    for place in data.draw(st.lists(st.integers(0, len(stream) - 1), min_size=1, max_size=8)):
        stream[place] = data.draw(st.integers(0, 255))
    keep = data.draw(st.integers(0, len(stream)))
    facts = observed([bytes(stream[:keep])], api_of(name))
    assert isinstance(facts, AnswerFacts)


@pytest.mark.parametrize("api", ApiFormat)
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", "text/plain", ""])
@pytest.mark.parametrize("status", [200, 500])
@given(body=st.binary(max_size=100))
def test_any_bytes_never_raise(api, content_type, status, body):
    assert isinstance(observed([body], api, content_type=content_type, status=status), AnswerFacts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "id",
    "type",
    "error",
    "choices",
    "delta",
    "message",
    "tool_calls",
    "function",
    "index",
    "usage",
    "content",
    "content_block",
    "item",
    "response",
    "output",
    "output_index",
    "summary",
    "arguments",
    "input",
    "prompt_tokens",
    "input_tokens_details",
    "status",
    "model",
)
TYPES = (
    "message_start",
    "message_delta",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_stop",
    "error",
    "response.created",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.output_item.done",
    "response.reasoning_summary_text.delta",
    "tool_use",
    "thinking",
    "function_call",
    "web_search_call",
    "reasoning",
    "message",
)
shaped = st.recursive(
    json_values | st.sampled_from(TYPES),
    lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=20,
)


@pytest.mark.parametrize("api", ApiFormat)
@given(events=st.lists(st.tuples(st.sampled_from(TYPES), shaped), max_size=5))
def test_known_fields_of_any_shape_never_raise(api, events):
    stream = b"".join(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode() for kind, event in events)
    assert isinstance(observed([stream], api), AnswerFacts)
    for _, event in events:
        for status in (200, 400):
            body = json.dumps(event).encode()
            facts = observed([body], api, content_type="application/json", status=status)
            assert isinstance(facts, AnswerFacts)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstd.compress)],
)
def test_a_compressed_stream_gives_the_same_facts(name, encoding, encode):
    stream, api = STREAMS[name], api_of(name)
    coded = encode(stream)
    pieces = [coded[i : i + 50] for i in range(0, len(coded), 50)]
    assert observed(pieces, api, encoding=encoding) == observed([stream], api)


def test_a_stream_in_a_wrong_coding_is_unreadable_and_nothing_more():
    facts = observed([STREAMS["chat-plain"]], ApiFormat.CHAT, encoding="gzip")
    assert facts == AnswerFacts(complete=False, unreadable=facts.unreadable)
    assert "content encoding" in facts.unreadable


def test_an_unknown_coding_is_unreadable_and_names_those_that_are_known():
    facts = observed([b"x"], ApiFormat.CHAT, encoding="rot13")
    assert "Use one of: identity, gzip" in facts.unreadable


def test_a_compressed_bomb_is_given_up(monkeypatch):
    monkeypatch.setattr(observe, "LARGEST_DECODED", 1 << 20)
    facts = observed([gzip.compress(b"\n" * (32 << 20))], ApiFormat.CHAT, encoding="gzip")
    assert "larger than" in facts.unreadable


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_under_a_wrong_content_type_is_read_all_the_same(name):
    api = api_of(name)
    assert observed([STREAMS[name]], api, content_type="text/plain") == observed([STREAMS[name]], api)


ODD = {ApiFormat.CHAT: "service_tier", ApiFormat.MESSAGES: "index", ApiFormat.RESPONSES: "summary_index"}


def with_each_event(stream, change):
    """The stream with another value in place of each event that is an object."""

    def changed(line):
        try:
            event = json.loads(line.removeprefix(b"data: "))
        except ValueError:
            return line
        change(event)
        return b"data: " + json.dumps(event).encode()

    return b"\n".join(map(changed, stream.split(b"\n")))


@pytest.mark.parametrize("name", NAMES)
def test_events_read_field_by_field_say_the_same_as_those_read_at_once(name):
    api = api_of(name)
    at_once = with_each_event(STREAMS[name], lambda event: event.pop(ODD[api], None))
    by_fields = with_each_event(STREAMS[name], lambda event: event.update({ODD[api]: []}))
    facts = observed([by_fields], api)
    assert "unexpected shape" in facts.unreadable
    assert replace(facts, unreadable=None) == replace(observed([at_once], api), unreadable=None)


@pytest.mark.parametrize("name", NAMES)
def test_asking_twice_gives_the_same_facts(name):
    watching = observer(api_of(name))
    watching.feed(STREAMS[name])
    assert watching.facts() == watching.facts()


@pytest.mark.parametrize("name", NAMES)
def test_completeness_is_seen_with_the_last_event_and_not_before(name):
    stream, watching = STREAMS[name], observer(api_of(name))
    events = stream.split(b"\n\n")[:-1]
    for event in events[:-1]:
        watching.feed(event + b"\n\n")
        assert not watching.complete
        assert not watching.mid_event
    watching.feed(events[-1])
    assert watching.mid_event
    watching.feed(b"\n\n")
    assert watching.complete is ("cut" not in name and name != "chat-odd-provider")


def test_an_event_that_is_no_json_is_noted_and_the_rest_is_read():
    facts = observed([b"data: {nonsense\n\n" + STREAMS["chat-plain"]], ApiFormat.CHAT)
    assert facts.usage.output_tokens == 30
    assert facts.complete
    assert "could not be read" in facts.unreadable


def test_a_body_that_is_too_large_is_unreadable(monkeypatch):
    monkeypatch.setattr(observe, "LARGEST_BODY", 100)
    facts = observed([b'{"id":"x"', b" " * 100, b"}"], ApiFormat.CHAT, content_type="application/json")
    assert not facts.complete
    assert "larger than 100 bytes" in facts.unreadable


@pytest.mark.parametrize("api", ApiFormat)
def test_a_cut_body_is_not_complete(api):
    facts = observed([b'{"id":"x","model":"m","usa'], api, content_type="application/json")
    assert not facts.complete
    assert "not a whole JSON object" in facts.unreadable


@pytest.mark.parametrize("api", ApiFormat)
def test_a_body_is_complete_only_once_its_facts_were_asked_for(api):
    watching = observer(api, content_type="application/json")
    watching.feed(b'{"id":"x","model":"m"}')
    assert not watching.complete
    assert watching.facts().complete
    assert watching.complete
    assert watching.facts().model == "m"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":{"message":"No.","type":"a_type","code":"a_code"}}', AnswerError("a_type", "No.")),
        (b'{"error":{"message":"No.","type":null,"code":"a_code"}}', AnswerError("a_code", "No.")),
        (
            b'{"type":"error","error":{"type":"overloaded_error","message":"No."}}',
            AnswerError("overloaded_error", "No."),
        ),
        (b'[{"error":{"code":503,"message":"No.","status":"UNAVAILABLE"}}]', AnswerError("503", "No.")),
        (b'{"error":"No."}', AnswerError("http_503", "No.")),
        (b'{"error":"No.","code":"a_code"}', AnswerError("a_code", "No.")),
        (b'{"message":"No."}', AnswerError("http_503", "No.")),
        (b'{"detail":[{"msg":"No."}]}', AnswerError("http_503", '[{"msg":"No."}]')),
        (b'{"unheard":"of"}', AnswerError("http_503", '{"unheard":"of"}')),
        (b"<html>No.</html>\n", AnswerError("http_503", "<html>No.</html>")),
        (b"\xff\xfe", AnswerError("http_503", "\ufffd\ufffd")),
        (b"", AnswerError("http_503", "")),
        (b'event: error\ndata: {"error":{"message":"No.","type":"t"}}\n\n', AnswerError("t", "No.")),
        (b"x" * 5000, AnswerError("http_503", "x" * 2000 + "\u2026")),
    ],
)
@pytest.mark.parametrize("api", ApiFormat)
def test_an_error_answer_is_told_in_the_providers_words(api, body, error):
    assert observed([body], api, content_type="", status=503).error == error
