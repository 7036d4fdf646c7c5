from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.socket import Head, MessageObserver, error_message, head_of


def test_the_head_of_a_message():
    assert head_of(b'{"stream_id":"a","type":"response.created"}') == Head("response.created", "a")
    assert head_of(b'{"type":7,"stream_id":"a"}') == Head("", "a")
    assert head_of(b"no JSON") == Head()


def test_an_answer_message_by_message():
    observer = MessageObserver()
    observer.feed(b'{"type":"response.created","response":{"id":"r","model":"m"}}')
    observer.feed(b'{"type":"response.output_text.delta","delta":"x"}')
    assert not observer.complete
    done = {"id": "r", "model": "m", "usage": {"input_tokens": 4, "output_tokens": 2}}
    observer.feed(json.dumps({"type": "response.completed", "response": done}).encode())
    assert observer.complete
    facts = observer.facts()
    assert (facts.complete, facts.response_id, facts.model) == (True, "r", "m")
    assert facts.usage.output_tokens == 2


def test_the_first_websocket_version_ended_with_done():
    observer = MessageObserver()
    observer.feed(b'{"type":"response.done","response":{"id":"r","usage":{"input_tokens":4,"output_tokens":2}}}')
    assert observer.complete
    assert observer.facts().usage.output_tokens == 2
    assert observer.facts().error is None


def test_an_error_with_a_status():
    observer = MessageObserver()
    told = {"type": "invalid_request_error", "code": "previous_response_not_found", "message": "No such response."}
    observer.feed(json.dumps({"type": "error", "status": 400, "error": told}).encode())
    assert observer.complete
    assert observer.facts().error.type == "invalid_request_error"


@given(st.lists(st.binary(max_size=80) | st.text(max_size=80).map(str.encode), max_size=8))
def test_nonsense_never_raises(messages):
    observer = MessageObserver()
    for message in messages:
        head_of(message)
        observer.feed(message)
    assert observer.facts().usage is None


def test_our_own_errors_have_the_providers_shape():
    told = json.loads(error_message(503, "AI Gateway: no.", kind="server_error", lane="a"))
    assert told == {
        "type": "error",
        "status": 503,
        "error": {"type": "server_error", "code": "server_error", "message": "AI Gateway: no.", "param": None},
        "stream_id": "a",
    }
    assert "stream_id" not in json.loads(error_message(503, "x", kind="y"))
