"""Chat streams that do not ask for their usage: it gets on record, and the client sees no difference."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from aigateway.store.records import TokenUsage
from tests.gateway.scripted import Say, scripted
from tests.gateway.stage import CHAT, TOKEN
from tests.providers.making import provider

PATH = "openai/v1/chat/completions"
UNASKED = {"model": "sim", "messages": [{"role": "user", "content": "Hello there"}], "stream": True}
BODY = b'{ "stream":true, "model":"sim","n":1.0, "messages":[{"role":"user","content":"h\\u00e9llo"}]%s }'
STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture
async def upstream(stage):
    async with scripted() as served:
        stage.providers["openai"] = provider("openai", base_url=f"{served.url}/v1")
        served.default = Say(body=STREAM, content_type="text/event-stream")
        yield served


def nameless(body):
    """A stream without what the simulated provider makes of the request's body, which is another one here."""
    return re.sub(rb'"(id|created|system_fingerprint|obfuscation)":("[^"]*"|\d+)', rb'"\1":0', body)


async def direct(stage, payload, sim=None):
    """What the simulated provider says without the gateway's doing."""
    kept = stage.providers["openai"]
    stage.providers["openai"] = replace(kept, edit_for=None)
    answer = await stage.ask(PATH, payload, sim=sim)
    stage.providers["openai"] = kept
    return answer


@pytest.mark.parametrize(
    "sim", [None, "tools", "thinking", "crlf", "one-piece", "split", "keepalive", "unknown-events"]
)
@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_obfuscation": False}])
async def test_the_usage_is_on_record_and_not_in_the_answer(stage, sim, options):
    payload = UNASKED | ({} if options is None else {"stream_options": options})
    expected = await direct(stage, payload, sim)
    answer = await stage.ask(PATH, payload, sim=sim)
    asked = json.loads(stage.sim.requests[-1].body)
    assert asked.pop("stream_options") == (options or {}) | {"include_usage": True}
    assert asked == UNASKED
    assert b'"usage"' not in answer.body
    if sim not in {"keepalive", "unknown-events"}:  # one of those for each event, that which is held back included
        assert nameless(answer.body) == nameless(expected.body)
    usages = [record for record in await stage.records() if isinstance(record, TokenUsage)]
    assert len(usages) == 1
    assert usages[0].output_tokens > 0


async def test_the_body_is_spliced_and_not_written_anew(stage, upstream):
    answer = await stage.ask(PATH, body=BODY % b"")
    opened = BODY % b""
    assert upstream.asked[0].body == b'{"stream_options":{"include_usage":true},' + opened[1:]
    assert answer.body == STREAM
    await stage.ask(PATH, body=BODY % b', "stream_options" : {"include_obfuscation" :false}')
    assert upstream.asked[1].body == BODY % (
        b', "stream_options" : {"include_obfuscation" :false,"include_usage":true}'
    )
    await stage.ask(PATH, body=BODY % b', "stream_options" : null')
    assert upstream.asked[2].body == BODY % b', "stream_options" : {"include_usage":true}'


@pytest.mark.parametrize(
    "body",
    [
        BODY % b',"stream_options":{"include_usage":true}',
        BODY % b',"stream_options":"please"',
        BODY % b',"stream_options":{"include_usage":false},"stream_options":{"include_usage":false}',
        BODY.replace(b'"stream":true', b'"stream":false') % b"",
    ],
)
async def test_who_asks_for_it_or_does_not_stream_is_left_alone(stage, upstream, body):
    await stage.ask(PATH, body=body, headers={"accept-encoding": "gzip"})
    assert upstream.asked[0].body == body
    assert upstream.asked[0].headers["accept-encoding"] == "gzip"


async def test_an_asked_for_stream_comes_uncompressed(stage, upstream):
    await stage.ask(PATH, UNASKED, headers={"accept-encoding": "gzip, br"})
    assert upstream.asked[0].headers["accept-encoding"] == "identity"


async def test_who_compresses_all_the_same_is_relayed_as_it_is(stage):
    answer = await stage.ask(PATH, UNASKED, sim="gzip")
    assert (answer.status, answer.headers["content-encoding"]) == (200, "gzip")
    _, ended, _, usages = await stage.record()
    assert (ended.error_type, len(usages)) == (None, 1)


async def test_an_endpoint_that_does_not_know_it_is_asked_once_without_and_remembered(stage, upstream):
    upstream.answers = [Say(400, {"error": {"message": "Unrecognized request argument: stream_options"}})]
    answer = await stage.ask(PATH, UNASKED)
    assert (answer.status, answer.body) == (200, STREAM)
    assert [b"stream_options" in asked.body for asked in upstream.asked] == [True, False]
    _, ended, _, _ = await stage.record()
    assert (ended.status_code, ended.error_type) == (200, None)
    await stage.ask(PATH, UNASKED)
    assert [b"stream_options" in asked.body for asked in upstream.asked] == [True, False, False]


async def test_a_request_that_is_bad_either_way_gets_the_providers_own_words_about_it(stage, upstream):
    upstream.answers = [Say(400, b'{"error":"about the edited one"}'), Say(400, b'{"error":"about yours"}')]
    answer = await stage.ask(PATH, UNASKED)
    assert (answer.status, answer.body) == (400, b'{"error":"about yours"}')
    await stage.ask(PATH, UNASKED)
    assert [b"stream_options" in asked.body for asked in upstream.asked] == [True, False, True]


async def test_it_can_be_switched_off(stage, upstream):
    stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1", stream_usage=False)
    await stage.ask(PATH, UNASKED)
    assert b"stream_options" not in upstream.asked[0].body


async def test_copilot_is_left_alone(stage):
    headers = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer gho_0123456789"}
    answer = await stage.ask("copilot/chat/completions", UNASKED, headers=headers)
    assert answer.status == 200
    assert b"stream_options" not in stage.sim.requests[-1].body


async def test_a_stream_that_is_cut_still_says_so(stage):
    answer = await stage.ask(PATH, UNASKED, sim="cut:3")
    assert b'"error"' in answer.pieces[-1]
    assert b'"usage"' not in answer.body
    _, ended, _, _ = await stage.record()
    assert ended.error_type == "upstream_truncated"


async def test_an_answer_that_is_no_stream_is_relayed_as_it_is(stage, upstream):
    upstream.default = Say()
    answer = await stage.ask(PATH, UNASKED)
    assert answer.json()["usage"]["completion_tokens"] == 3
    assert answer.headers["content-length"] == str(len(answer.body))


async def test_asking_keeps_what_every_client_that_asks_gets(stage):
    answer = await stage.ask(PATH, CHAT | {"stream": True})
    assert b'"usage":{' in answer.body
