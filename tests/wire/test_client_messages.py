"""What a client says on a socket of the Responses API."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.facts import ApiFormat
from aigateway.wire.request import ASKS, MalformedBody, read_message, read_request


def message(**fields):
    return json.dumps({"type": ASKS, "model": "m", "input": "Hi", **fields}).encode()


def test_a_request_has_the_facts_of_a_body():
    told = read_message(message(stream_id="a", previous_response_id="resp_1"))
    assert (told.kind, told.lane) == (ASKS, "a")
    assert (told.facts.model, told.facts.prompt, told.facts.streaming) == ("m", "Hi", True)
    assert told.facts.previous_response_id == "resp_1"


@pytest.mark.parametrize("fields", [{"generate": False}, {"prompt_cache_options": {"prewarm": True}}])
def test_a_warm_up_has_no_prompt(fields):
    facts = read_message(message(**fields)).facts
    assert (facts.purpose, facts.prompt) == ("warmup", None)
    assert read_request(ApiFormat.RESPONSES, message(**fields)).purpose == "warmup"


@pytest.mark.parametrize(
    "fields", [{"generate": True}, {"generate": None}, {"generate": 0}, {"prompt_cache_options": 1}]
)
def test_everything_else_is_none(fields):
    assert read_message(message(**fields)).facts.purpose is None


def test_only_the_responses_api_knows_warm_ups():
    body = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"generate":false}'
    assert read_request(ApiFormat.CHAT, body).prompt == "Hi"


@pytest.mark.parametrize("ident", ["", "x" * 257, "a\nb", 7, None])
def test_an_id_that_is_none(ident):
    assert read_message(message(previous_response_id=ident)).facts.previous_response_id is None


def test_what_stands_for_headers():
    told = {"thread_id": "t", "x-openai-subagent": "review", "x-codex-parent-thread-id": "p", "x-other": "no"}
    assert read_message(message(client_metadata=told)).headers == {
        "thread-id": "t",
        "x-openai-subagent": "review",
        "x-codex-parent-thread-id": "p",
    }
    assert read_message(message(client_metadata={"thread_id": 7})).headers == {}


def test_other_messages():
    assert read_message(b'{"type":"response.processed"}').kind == "response.processed"
    assert read_message(b"{}").kind == ""
    steer = read_message(b'{"type":"response.steer","input":[{"role":"user","type":"message","content":"shorter"}]}')
    assert (steer.kind, steer.facts.prompt) == ("response.steer", "shorter")


@given(st.binary(max_size=100))
def test_nonsense_is_malformed_or_read(data):
    with contextlib.suppress(MalformedBody):
        read_message(data)
