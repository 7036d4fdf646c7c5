import json

import anthropic
import openai
import pytest

from aigateway.wire.errors import error_body, error_event
from aigateway.wire.facts import ApiFormat
from aigateway.wire.sse import SseSplitter

MESSAGE = 'AI Gateway: the provider cut the answer. "Try" again.'
MESSAGES = [{"role": "user", "content": "hi"}]
CHAT_CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
RESPONSES_EVENT = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n'
MESSAGES_EVENT = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (402, openai.APIStatusError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (413, openai.APIStatusError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_the_openai_sdk_raises_the_right_error_with_our_words(openai_answered, status, raised):
    body = error_body(ApiFormat.CHAT, status, MESSAGE, code="a_code")
    client = openai_answered(body, status, "application/json")

    with pytest.raises(raised) as caught:
        client.chat.completions.create(model="m", messages=MESSAGES)

    assert MESSAGE in json.dumps(caught.value.body, ensure_ascii=False).replace('\\"', '"')
    assert caught.value.code == "a_code"
    assert caught.value.type
    assert caught.value.param is None


@pytest.mark.parametrize(
    ("status", "raised", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (405, anthropic.APIStatusError, "invalid_request_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (502, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_the_anthropic_sdk_raises_the_right_error_with_our_words(anthropic_answered, status, raised, kind):
    client = anthropic_answered(
        error_body(ApiFormat.MESSAGES, status, MESSAGE, request_id="req_1"), status, "application/json"
    )

    with pytest.raises(raised) as caught:
        client.messages.create(model="m", max_tokens=1, messages=MESSAGES)

    assert caught.value.body == {"type": "error", "error": {"type": kind, "message": MESSAGE}, "request_id": "req_1"}


def test_a_given_type_wins():
    assert json.loads(error_body(ApiFormat.CHAT, 400, "m", type="mine"))["error"]["type"] == "mine"
    assert json.loads(error_body(ApiFormat.MESSAGES, 400, "m", type="mine"))["error"]["type"] == "mine"


@pytest.mark.parametrize("before", [b"", CHAT_CHUNK, CHAT_CHUNK + b": half a comm", CHAT_CHUNK + b"\n"])
def test_a_cut_chat_stream_makes_the_openai_sdk_raise(openai_answered, before):
    client = openai_answered(before + error_event(ApiFormat.CHAT, MESSAGE, type="upstream_truncated"))
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert caught.value.message == MESSAGE
    assert caught.value.type == "upstream_truncated"


@pytest.mark.parametrize("before", [b"", RESPONSES_EVENT])
def test_a_cut_responses_stream_makes_the_openai_sdk_raise(openai_answered, before):
    client = openai_answered(before + error_event(ApiFormat.RESPONSES, MESSAGE))
    with pytest.raises(openai.APIError) as caught:
        list(client.responses.create(model="m", input="hi", stream=True))
    assert caught.value.message == MESSAGE


@pytest.mark.parametrize("cut", range(len(MESSAGES_EVENT) + 1))
def test_a_messages_stream_cut_anywhere_makes_the_anthropic_sdk_raise(anthropic_answered, cut):
    client = anthropic_answered(MESSAGES_EVENT + MESSAGES_EVENT[:cut] + error_event(ApiFormat.MESSAGES, MESSAGE))
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(client.messages.create(model="m", max_tokens=1, messages=MESSAGES, stream=True))
    assert caught.value.body["error"] == {"type": "api_error", "message": MESSAGE}


@pytest.mark.parametrize("cut", range(len(CHAT_CHUNK) + 1))
def test_a_chat_stream_cut_anywhere_never_ends_cleanly(openai_answered, cut):
    client = openai_answered(CHAT_CHUNK + CHAT_CHUNK[:cut] + error_event(ApiFormat.CHAT, MESSAGE))
    with pytest.raises((openai.APIError, json.JSONDecodeError)):
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))


@pytest.mark.parametrize("api", ApiFormat)
@pytest.mark.parametrize(
    "half", [b"", b"\n", b'data: {"a', b"event: conte", b"event: x\ndata: {", b": c", b"dat", b"\r"]
)
def test_our_event_is_an_event_of_its_own_wherever_the_stream_was_cut(api, half):
    events = SseSplitter().feed(half + error_event(api, MESSAGE))
    assert MESSAGE in json.dumps(json.loads(events[-1][1])).replace('\\"', '"')
    assert len(events) <= 2
