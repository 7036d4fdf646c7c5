"""Event-stream frames as the server-sent events that a Messages client asked for, however they are cut."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from aigateway.providers.bedrock.stream import ServerSentEvents
from tests.support.fake_bedrock import chunk, frame

EVENTS = [
    b'{"type":"message_start","message":{"usage":{"input_tokens":1}}}',
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xc3\xa9\\u00e9 \\n"}}',
    b'{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}',
]
STREAM = b"".join(map(chunk, EVENTS))
EXPECTED = b"".join(b"event: %s\ndata: %s\n\n" % (json.loads(event)["type"].encode(), event) for event in EVENTS)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_each_event_comes_out_as_bedrock_wrote_it(cuts):
    cuts = sorted(cuts)
    events = ServerSentEvents()
    out = b"".join(events.feed(STREAM[a:b]) for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True))
    assert out == EXPECTED


def test_an_event_comes_out_with_its_last_byte():
    events = ServerSentEvents()
    assert events.feed(chunk(EVENTS[0])[:-1]) == b""
    assert events.feed(chunk(EVENTS[0])[-1:]).startswith(b"event: message_start\n")


def test_an_event_on_several_lines_stays_one_event():
    text = b'{\r\n "type": "ping"\n}'
    assert ServerSentEvents().feed(chunk(text)) == b'event: ping\ndata: {\ndata:  "type": "ping"\ndata: }\n\n'


def error_of(data):
    assert data.startswith(b"event: error\ndata: ")
    assert data.endswith(b"\n\n")
    return json.loads(data.split(b"data: ")[1])["error"]


def test_messages_that_are_no_events_of_anthropics():
    for payload in (b"nonsense", b"{}", b'{"bytes":"!"}', b'{"bytes":"e30="}', b'{"bytes":"W10="}'):
        told = ServerSentEvents().feed(frame(payload, message_type="event", event_type="chunk"))
        assert error_of(told)["type"] == "api_error"


def test_a_name_cannot_forge_lines():
    told = ServerSentEvents().feed(chunk(b'{"type":"ping\\n\\nevent: error"}'))
    assert error_of(told)["type"] == "api_error"


def test_an_unknown_kind_of_message_is_skipped():
    events = ServerSentEvents()
    assert events.feed(frame(b"{}", message_type="event", event_type="initial-response")) == b""
    assert events.feed(frame(b"{}")) == b""


def test_an_exception_or_an_error_without_words():
    told = ServerSentEvents().feed(frame(b"", message_type="exception", exception_type="throttlingException"))
    assert error_of(told) == {"type": "rate_limit_error", "message": "throttlingException"}
    told = ServerSentEvents().feed(frame(b"", message_type="exception"))
    assert error_of(told) == {"type": "api_error", "message": "an exception without a name"}
    told = ServerSentEvents().feed(
        frame(b"", message_type="error", error_code="InternalFailure", error_message="Oh no")
    )
    assert error_of(told) == {"type": "api_error", "message": "Oh no"}


def test_what_came_before_damage_is_kept_and_nothing_follows_it():
    events = ServerSentEvents()
    told = events.feed(chunk(EVENTS[0]) + b"\0" * 40)
    assert told.startswith(b"event: message_start\n")
    assert b"cannot be read" in told
    assert events.feed(STREAM) == b""
