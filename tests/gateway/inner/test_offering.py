"""Which requests get tools, and that none breaks for them."""

from __future__ import annotations

import gzip
import json

import pytest

from aigateway.gateway.inner.loop import InnerLoop
from aigateway.gateway.inner.results import error_of, told
from aigateway.tools.offer import EmbeddedResource, OtherContent, Text, ToolResult
from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.feeding import result_element
from aigateway.wire.inner.turn import HeldCall
from tests.gateway.inner.conftest import ASKED, OWN_TOOLS, PATHS, text
from tests.gateway.scripted import Say
from tests.gateway.stage import MESSAGES

EVERY = list(ApiFormat)
NO_TOOLS = Say(400, {"error": {"message": "sim does not support tools", "type": "invalid_request_error"}})
SEARCH = ("c1", "bmcp_wiki_search", {"q": "it"})


@pytest.mark.parametrize("api", EVERY)
async def test_everything_but_the_tools_reaches_the_provider_as_it_was_sent(loop, api):
    own = json.dumps(OWN_TOOLS[api])[1:-1].encode()
    body = b'{ "model":"sim","stream" :false, "tools":[%s], "x":1.0,%s}' % (own, json.dumps(ASKED[api]).encode()[1:-1])
    loop.says(api, [("Hello",)], streams=False)
    await loop.stage.ask(PATHS[api], body=body)
    (asked,) = loop.upstream.asked
    start, end = asked.body.index(b'"tools":[') + 9, asked.body.index(b'], "x"')
    assert asked.body[:start] + own + asked.body[end:] == body
    assert own in asked.body[start:end]


@pytest.mark.parametrize("api", EVERY)
async def test_a_person_without_tools_is_served_as_ever(loop, api):
    loop.wiki.tools = []
    loop.says(api, [("Hello",)])
    expected = loop.upstream.answers[0].body
    answer = await loop.ask(api)
    assert answer.body == expected
    assert loop.asked[0]["tools"] == OWN_TOOLS[api]


@pytest.mark.parametrize("api", EVERY)
async def test_a_model_that_takes_no_tools_is_asked_again_without(loop, api):
    loop.says(api, NO_TOOLS, [("Hello",)], [("Again",)])
    answer = await loop.ask(api, tools=False)
    assert (answer.status, answer.complete) == (200, True)
    assert ["tools" in asked for asked in loop.asked] == [True, False]
    await loop.ask(api, tools=False)
    assert ["tools" in asked for asked in loop.asked] == [True, False, False]
    assert len(await loop.usages()) == 2


async def test_a_model_that_takes_no_tools_is_tried_again_after_a_while(loop):
    now = 0.0
    loop.stage.inner = InnerLoop(loop.wiki, clock=lambda: now)
    loop.says(ApiFormat.CHAT, NO_TOOLS, [("Hello",)], [("Again",)], [("And again",)])
    for now in (0.0, 599.0, 601.0):  # noqa: B007 - the clock reads it
        await loop.ask(ApiFormat.CHAT, tools=False)
    assert ["tools" in asked for asked in loop.asked] == [True, False, False, True]


@pytest.mark.parametrize("api", EVERY)
async def test_what_the_provider_refuses_anyway_is_refused_in_its_words(loop, api):
    own = Say(400, b'{ "error":{"message":"your own mistake","type":"invalid_request_error"}}')
    loop.says(api, NO_TOOLS, own, [("Hello",)])
    answer = await loop.ask(api)
    assert (answer.status, answer.body) == (400, own.body)
    end = await loop.end()
    assert (end.status_code, end.error_type, end.error_message) == (400, "bad_request", "your own mistake")
    await loop.ask(api)
    assert len(loop.asked[-1]["tools"]) == 3  # it was not for the tools


async def test_a_compressed_request_goes_as_it_is(loop):
    body = gzip.compress(json.dumps(MESSAGES).encode())
    loop.says(ApiFormat.MESSAGES, [("Hello",)], streams=False)
    answer = await loop.stage.ask("anthropic/v1/messages", body=body, headers={"content-encoding": "gzip"})
    assert answer.status == 200
    (asked,) = loop.upstream.asked
    assert asked.headers["content-encoding"] == "gzip"
    assert asked.json() == MESSAGES  # the scripted provider has it decoded


async def test_a_side_request_gets_no_tools(loop):
    loop.says(ApiFormat.MESSAGES, [("ok",)], streams=False)
    probe = {"model": "sim", "max_tokens": 1, "messages": [{"role": "user", "content": "quota"}]}
    await loop.stage.ask("anthropic/v1/messages", probe)
    assert "tools" not in loop.asked[0]
    await loop.stage.ask("openai/v1/responses/compact", {"model": "sim", "input": "x"})
    assert "tools" not in loop.asked[1]


async def test_a_request_that_cannot_be_spliced_goes_as_it_is(loop):
    body = b'{"model":"sim","tools":{"not":"an array"},"messages":[{"role":"user","content":"x"}]}'
    await loop.stage.ask("openai/v1/chat/completions", body=body)
    assert loop.upstream.asked[0].body == body


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_that_is_compressed_all_the_same_is_read(loop, streams):
    loop.says(ApiFormat.MESSAGES, [SEARCH], [("It is 42.",)], streams=streams)
    for say in loop.upstream.answers:
        say.body = gzip.compress(say.body)
        say.headers = {"content-encoding": "gzip"}
    answer = await loop.ask(ApiFormat.MESSAGES, streams=streams)
    assert "content-encoding" not in answer.headers
    assert b"tool_use" not in answer.body
    assert b"bmcp" not in answer.body
    assert len(loop.asked) == 2


def shown(api, result):
    call = HeldCall("c1", "bmcp_wiki_search", "{}", b"{}")
    return json.loads(result_element(api, told(api, call, result)))


def test_results_in_the_words_of_each_api():
    result = text("It is 42.")
    assert shown(ApiFormat.CHAT, result) == {"role": "tool", "tool_call_id": "c1", "content": result.raw + "\n"}
    assert shown(ApiFormat.RESPONSES, result) == {
        "type": "function_call_output",
        "call_id": "c1",
        "output": result.raw + "\n",
    }
    assert shown(ApiFormat.MESSAGES, result) == {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": [{"type": "text", "text": "It is 42."}],
    }


def test_failures_in_the_words_of_each_api():
    failed = ToolResult(failure='It is "away".')
    assert json.loads(shown(ApiFormat.CHAT, failed)["content"]) == {"error": True, "message": 'It is "away".'}
    assert shown(ApiFormat.RESPONSES, failed)["output"] == 'invocation error: "It is \\"away\\"."'
    block = shown(ApiFormat.MESSAGES, failed)
    assert (block["content"][0]["text"], block["is_error"]) == ('Error: calling tool: It is "away".', True)
    assert error_of(failed) == 'It is "away".'


@pytest.mark.parametrize(
    ("content", "said", "is_error"),
    [
        ((Text("a"), Text("b")), ["a", "b"], False),
        (
            (EmbeddedResource("image/png", "file:///x", "aGk="),),
            ["Binary resource (MIME: image/png, URI: file:///x): aGk="],
            False,
        ),
        ((OtherContent("embedded"),), ["Error: unknown embedded resource type"], True),
        ((Text("a"), OtherContent("image")), ["a", "Error: unsupported tool result type"], True),
        ((), ["Error: no valid tool result content"], True),
        ((Text(""),), ["Error: no valid tool result content"], True),
    ],
)
def test_contents_of_a_result_as_blocks(content, said, is_error):
    block = shown(ApiFormat.MESSAGES, ToolResult(content, raw="{}"))
    assert [part["text"] for part in block["content"]] == said
    assert block.get("is_error", False) is is_error


def test_an_error_without_words_is_an_error():
    assert error_of(ToolResult((), is_error=True, raw="{}")) == "The tool reported an error and said nothing of it."
    assert error_of(text("fine")) is None
