"""Turns of several answers: what the provider is asked, what the client gets, and what is on record."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from aigateway.gateway.breakers import Breakers
from aigateway.gateway.inner.calling import MOST_AT_ONCE
from aigateway.settings.model import CircuitBreakerSettings
from aigateway.wire.facts import ApiFormat
from tests.gateway.inner.conftest import OWN_TOOLS, text
from tests.gateway.scripted import RATE_LIMITED, Say
from tests.providers.making import provider
from tests.wire.inner.telling import read
from tests.wire.inner.test_turns import chat_view, messages_view, responses_view

SEARCH = ("c1", "bmcp_wiki_search", {"q": "it"})
READ = ("c2", "bmcp_wiki_read", {"q": "7"})
OWN = ("c3", "Bash", {"command": "ls"})
EVERY = list(ApiFormat)
BOTH = [True, False]


def text_of(api, answer, *, streams):
    """The text that the client got."""
    if streams:
        if api is ApiFormat.CHAT:
            return chat_view(answer.body)[0]
        view = messages_view if api is ApiFormat.MESSAGES else responses_view
        whole = view(answer.body)
    else:
        whole = answer.json()
    if api is ApiFormat.CHAT:
        return whole["choices"][0]["message"]["content"]
    if api is ApiFormat.MESSAGES:
        return "\n\n".join(block["text"] for block in whole["content"] if block["type"] == "text")
    messages = [item for item in whole["output"] if item["type"] == "message"]
    return "\n\n".join(item["content"][0]["text"] for item in messages)


def results_in(api, request):
    """The results in a request to the provider, by the id of their call."""
    if api is ApiFormat.CHAT:
        return {m["tool_call_id"]: m["content"] for m in request["messages"] if m["role"] == "tool"}
    if api is ApiFormat.RESPONSES:
        return {i["call_id"]: i["output"] for i in request["input"] if i.get("type") == "function_call_output"}
    blocks = [b for m in request["messages"] if isinstance(m["content"], list) for b in m["content"]]
    return {b["tool_use_id"]: b["content"] for b in blocks if b["type"] == "tool_result"}


def shown_result(api, said):
    if api is ApiFormat.MESSAGES:
        return [{"type": "text", "text": said}]
    return text(said).raw + "\n"


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("streams", BOTH)
async def test_three_rounds_are_one_answer(loop, api, streams):
    loop.says(
        api,
        [("thinking", "hm"), ("Let me look.",), SEARCH],
        [READ],
        [("It is 42.",)],
        streams=streams,
    )
    answer = await loop.ask(api, streams=streams)
    assert (answer.status, answer.complete) == (200, True)
    assert text_of(api, answer, streams=streams) == "Let me look.\n\nIt is 42."
    assert b"bmcp_wiki" not in answer.body
    if not streams:
        assert int(answer.headers["content-length"]) == len(answer.body)

    assert loop.wiki.calls == [("search", json.dumps(SEARCH[2])), ("read", json.dumps(READ[2]))]
    first, second, third = loop.asked
    assert results_in(api, second) == {"c1": shown_result(api, "Page 7 has it.")}
    assert results_in(api, third) == results_in(api, second) | {"c2": shown_result(api, "It is 42.")}
    own = OWN_TOOLS[api]
    assert first["tools"] == second["tools"] == third["tools"]
    ours = [tool for tool in first["tools"] if tool not in own]
    assert first["tools"] == (ours + own if api is ApiFormat.MESSAGES else own + ours)

    usages = await loop.usages()
    assert [usage.msg_id[-1] for usage in usages] == ["1", "2", "3"]
    assert {usage.output_tokens for usage in usages} == {5}
    rows = await loop.tools()
    assert [(row.tool, row.tool_call_id, row.msg_id[-1]) for row in rows] == [
        ("search", "c1", "1"),
        ("read", "c2", "2"),
    ]
    for row in rows:
        assert (row.injected, row.server_url, row.invocation_error) == (True, "https://wiki.example/mcp", None)
        assert row.metadata["duration_ms"] >= 0
        assert row.metadata["executor"] == "gateway"
    assert json.loads(rows[0].input) == SEARCH[2]
    if api is not ApiFormat.RESPONSES:
        assert [thought.content for thought in await loop.thoughts()] == ["hm"]
    end = await loop.end()
    assert (end.status_code, end.error_type) == (200, None)


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("streams", BOTH)
async def test_what_needs_no_tool_goes_through_byte_for_byte(loop, api, streams):
    loop.says(api, [("Hello",), OWN], streams=streams)
    expected = loop.upstream.answers[0].body
    answer = await loop.ask(api, streams=streams)
    assert answer.body == expected
    (own,) = await loop.tools()
    assert (own.tool, own.injected) == ("Bash", False)
    assert len(await loop.usages()) == 1


async def test_text_flows_while_the_tools_run(loop):
    running, go = asyncio.Event(), asyncio.Event()

    async def slow(_):
        running.set()
        await go.wait()
        return text("Done.")

    loop.wiki.answers["search"] = slow
    loop.says(ApiFormat.MESSAGES, [("Let me look.",), SEARCH], [("It is 42.",)])
    asking = asyncio.create_task(loop.ask(ApiFormat.MESSAGES))
    await running.wait()
    # What was on record by then: the request, and what the first answer used.
    assert len(await loop.usages()) == 1
    assert await loop.tools() == []
    go.set()
    answer = await asking
    assert b"Let" in answer.pieces[0] + b"".join(answer.pieces[:12])
    assert messages_view(answer.body)["usage"]["output_tokens"] == 10


@pytest.mark.parametrize("api", EVERY)
async def test_parallel_calls_run_at_once_and_are_answered_in_order(loop, api):
    both = asyncio.Barrier(2)

    async def meets(arguments):
        await both.wait()
        return text(f"about {arguments}")

    loop.wiki.answers = {"search": meets, "read": meets}
    loop.says(api, [SEARCH, READ], [("Done.",)])
    await loop.ask(api)
    assert loop.wiki.most_at_once == 2
    assert [*results_in(api, loop.asked[1])] == ["c1", "c2"]
    if api is ApiFormat.MESSAGES:
        assert [message["role"] for message in loop.asked[1]["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("api", EVERY)
async def test_an_error_of_a_tool_goes_to_the_model_and_on_record(loop, api):
    loop.wiki.answers["search"] = text("No such page.", is_error=True)
    loop.says(api, [SEARCH], [("I see.",)])
    answer = await loop.ask(api)
    assert text_of(api, answer, streams=True) == "I see."
    assert "No such page." in json.dumps(results_in(api, loop.asked[1]))
    assert ('"is_error": true' if api is ApiFormat.MESSAGES else "isError") in json.dumps(loop.asked[1])
    (row,) = await loop.tools()
    assert row.invocation_error == "No such page."
    assert (await loop.end()).error_type is None


async def test_what_takes_too_long_or_is_too_large_or_breaks_is_told_to_the_model(loop):
    async def never(_):
        await asyncio.Event().wait()

    async def broken(_):
        raise RuntimeError("secret")

    loop.limit(seconds=0.02, result_bytes=100)
    loop.wiki.answers = {"search": never, "read": text("x" * 101)}
    loop.says(ApiFormat.CHAT, [SEARCH, READ], [("I see.",)])
    await loop.ask(ApiFormat.CHAT)
    slow, large = (json.loads(said)["message"] for said in results_in(ApiFormat.CHAT, loop.asked[1]).values())
    assert "--ai-gateway-mcp-call-timeout" in slow
    assert "--ai-gateway-mcp-max-result-size" in large
    assert [row.invocation_error for row in await loop.tools()] == [large, slow]
    loop.wiki.answers["search"] = broken
    loop.says(ApiFormat.CHAT, [SEARCH], [("I see.",)])
    await loop.ask(ApiFormat.CHAT)
    assert "secret" not in json.dumps(loop.asked[-1])
    assert "its log has the reason" in json.dumps(loop.asked[-1])


@pytest.mark.parametrize("api", EVERY)
async def test_a_model_that_goes_round_in_circles_is_told_to_stop(loop, api):
    loop.limit(rounds=2)
    loop.says(api, [SEARCH], [SEARCH], [SEARCH], [("Enough.",)])
    answer = await loop.ask(api)
    assert text_of(api, answer, streams=True) == "Enough."
    assert len(loop.wiki.calls) == 2
    last = loop.asked[-1]
    assert last["tool_choice"] == ({"type": "none"} if api is ApiFormat.MESSAGES else "none")
    assert "tool_choice" not in loop.asked[-2]
    assert "limit of 2 rounds" in json.dumps(last)
    assert ["limit of 2" in (row.invocation_error or "") for row in await loop.tools()] == [False, False, True]


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("streams", BOTH)
async def test_a_model_that_does_not_stop_is_stopped(loop, api, streams):
    loop.limit(rounds=1)
    loop.says(api, [SEARCH], [SEARCH], [("Still.",), SEARCH], streams=streams)
    answer = await loop.ask(api, streams=streams)
    assert text_of(api, answer, streams=streams) == "Still."
    assert answer.complete
    assert b"bmcp" not in answer.body
    assert len(loop.asked) == 3


@pytest.mark.parametrize("api", EVERY)
async def test_an_error_in_a_later_answer_is_an_error_of_the_stream(loop, api):
    refusal = Say(529, {"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}})
    loop.says(api, [("Let me look.",), SEARCH], refusal)
    answer = await loop.ask(api)
    assert answer.status == 200
    last = read(answer.body)[-1]
    assert last["error"]["message"] == "AI Gateway: the provider did not go on: too busy"
    assert last["error"]["type"] == "overloaded_error"
    assert not any(end in answer.body for end in (b"message_stop", b"[DONE]", b"response.completed"))
    end = await loop.end()
    assert (end.status_code, end.error_type, end.error_message) == (200, "overloaded", "too busy")
    assert len(await loop.usages()) == 1
    assert len(await loop.tools()) == 1


@pytest.mark.parametrize("api", EVERY)
async def test_an_error_in_a_later_answer_is_the_answer_of_a_client_that_has_none(loop, api):
    body = b'{ "type":"error",  "error":{"type":"overloaded_error","message":"too busy"}}'
    loop.says(api, [SEARCH], Say(529, body, {"retry-after": "7"}), streams=False)
    answer = await loop.ask(api, streams=False)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (529, body, "7")
    assert answer.complete
    end = await loop.end()
    assert (end.status_code, end.error_type) == (529, "overloaded")


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("streams", BOTH)
async def test_a_later_answer_that_is_none(loop, api, streams):
    loop.says(api, [SEARCH], Say(200, b"<html>", content_type="text/html"), streams=streams)
    answer = await loop.ask(api, streams=streams)
    end = await loop.end()
    if streams:
        assert "another kind (text/html" in read(answer.body)[-1]["error"]["message"]
    else:
        assert answer.status == 502
        assert "another kind" in answer.error["message"]
    assert end.error_type == "upstream_truncated"


@pytest.mark.parametrize("api", EVERY)
async def test_a_stream_that_is_cut_in_a_later_answer_ends_in_an_error(loop, api):
    loop.says(api, [("Let me look.",), SEARCH], [("It is forty-two.",)])
    say = loop.upstream.answers[1]
    say.body = say.body[: say.body.index(b"It is") + 40]
    answer = await loop.ask(api)
    assert "error" in read(answer.body)[-1]
    assert not any(end in answer.body for end in (b"message_stop", b"[DONE]", b"response.completed"))
    assert (await loop.end()).error_type == "upstream_truncated"


async def test_an_error_event_of_the_provider_is_relayed_with_its_usage_on_record(loop):
    loop.says(ApiFormat.MESSAGES, [SEARCH], [("It is.",)])
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'
    say = loop.upstream.answers[1]
    say.body = say.body[: say.body.index(b"event: content_block_stop")] + error
    answer = await loop.ask(ApiFormat.MESSAGES)
    assert answer.body.endswith(error)
    assert answer.complete
    end = await loop.end()
    assert (end.error_type, end.error_message) == ("overloaded", "busy")
    assert len(await loop.usages()) == 2


async def test_a_client_that_goes_away_takes_the_calls_with_it(loop):
    running = asyncio.Event()

    async def never(_):
        running.set()
        await asyncio.Event().wait()

    loop.wiki.answers["search"] = never
    loop.says(ApiFormat.MESSAGES, [("Let me look.",), SEARCH])
    payload = {"model": "sim", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    client = loop.stage.client("anthropic/v1/messages", payload)
    asking = asyncio.create_task(client.run())
    await running.wait()
    client.gone.set()
    await asking
    assert loop.wiki.cancelled == 1
    end = await loop.end()
    assert end.error_type == "client_disconnected"
    (row,) = await loop.tools()
    assert "cancelled" in row.invocation_error
    (usage,) = await loop.usages()
    assert "partial" not in usage.metadata


async def test_a_gateway_that_stops_says_so(loop):
    running = asyncio.Event()

    async def never(_):
        running.set()
        await asyncio.Event().wait()

    loop.wiki.answers["search"] = never
    loop.says(ApiFormat.CHAT, [("Let me look.",), SEARCH])
    asking = asyncio.create_task(loop.ask(ApiFormat.CHAT))
    await running.wait()
    loop.stage.in_flight.interrupt_all()
    answer = await asking
    assert "stopped" in read(answer.body)[-1]["error"]["message"]
    assert (await loop.end()).error_type == "interrupted"


async def test_a_client_gets_signs_of_life_while_a_tool_runs(loop, monkeypatch):
    monkeypatch.setattr("aigateway.gateway.inner.telling.KEEPALIVE_SECONDS", 0.01)
    alive = asyncio.Event()

    async def slow(_):
        await alive.wait()
        return text("Done.")

    async def on_piece(client):
        if client.answer.pieces[-1] == b": keepalive\n\n":
            alive.set()

    loop.wiki.answers["search"] = slow
    loop.says(ApiFormat.MESSAGES, [SEARCH], [("It is 42.",)])
    payload = {"model": "sim", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    async with asyncio.timeout(10):
        answer = await loop.stage.client("anthropic/v1/messages", payload, on_piece=on_piece).run()
    assert messages_view(answer.body)["content"] == [{"type": "text", "text": "It is 42."}]


async def test_nothing_that_was_done_is_lost_when_the_process_dies_in_a_turn(loop):
    """What is in the journal at every step is what `kill -9` would leave."""
    steps = []

    async def look(_):
        steps.append(([usage.msg_id for usage in await loop.usages()], [row.tool for row in await loop.tools()]))
        return text("x")

    loop.wiki.answers = {"search": look, "read": look}
    loop.says(ApiFormat.MESSAGES, [SEARCH], [READ], [("Done.",)])
    begun = []

    async def on_piece(client):
        if b"message_stop" in client.answer.pieces[-1]:
            begun.extend([len(await loop.usages()), (await loop.end()).error_type])

    payload = {"model": "sim", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    await loop.stage.client("anthropic/v1/messages", payload, on_piece=on_piece).run()
    assert steps == [(["msg_1"], []), (["msg_1", "msg_2"], ["search"])]
    assert begun == [3, None]


async def test_a_turn_that_cannot_be_put_on_record_is_broken_off(loop):
    async def away(_):
        await loop.stage.journal.close()
        return text("x")

    loop.wiki.answers["search"] = away
    loop.says(ApiFormat.MESSAGES, [("Let me look.",), SEARCH], [("Done.",)])
    answer = await loop.ask(ApiFormat.MESSAGES)
    assert "cannot be put on record" in read(answer.body)[-1]["error"]["message"]
    assert b"message_stop" not in answer.body
    assert len(loop.asked) == 1


@pytest.mark.parametrize("api", EVERY)
async def test_a_later_answer_may_be_served_by_another_key(loop, api):
    kind = "anthropic" if api is ApiFormat.MESSAGES else "openai"
    base = loop.upstream.url + ("" if kind == "anthropic" else "/v1")
    loop.stage.providers[kind] = provider(kind, base_url=base, keys=("key-number-one-123", "key-number-two-456"))
    loop.says(api, [SEARCH], RATE_LIMITED, [("Done.",)])
    answer = await loop.ask(api)
    assert text_of(api, answer, streams=True) == "Done."
    assert loop.upstream.keys == ["key-number-one-123", "key-number-one-123", "key-number-two-456"]


async def test_an_open_circuit_ends_a_turn(loop):
    loop.stage.breakers = Breakers(
        CircuitBreakerSettings(
            failure_threshold=1, interval=timedelta(seconds=10), timeout=timedelta(seconds=10), max_requests=1
        )
    )
    busy = Say(503, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    loop.says(ApiFormat.MESSAGES, [SEARCH], busy)
    await loop.ask(ApiFormat.MESSAGES)
    answer = await loop.ask(ApiFormat.MESSAGES)
    assert answer.status == 503
    assert "circuit breaker is open" in answer.error["message"]


async def test_no_more_than_some_calls_run_at_once(loop):
    enough = asyncio.Event()

    async def waits(_):
        if loop.wiki.at_once == MOST_AT_ONCE:
            enough.set()
        await enough.wait()
        return text("x")

    loop.wiki.answers["search"] = waits
    calls = [(f"c{number}", "bmcp_wiki_search", {"q": "it"}) for number in range(MOST_AT_ONCE + 8)]
    loop.says(ApiFormat.MESSAGES, calls, [("Done.",)])
    await loop.ask(ApiFormat.MESSAGES)
    assert loop.wiki.most_at_once == MOST_AT_ONCE
    assert len(await loop.tools()) == MOST_AT_ONCE + 8
