"""The seam of declared edits: who decides, what is on record, and what is held back from the client."""

from __future__ import annotations

import dataclasses
import json

import pytest

from aigateway.providers.edit import NotServed
from aigateway.providers.upstream import UpstreamRequest
from tests.gateway.stage import CHAT

PATH = "openai/v1/chat/completions"


class HoldBack:
    """Lets nothing of the last chunk with usage through, and something after it."""

    mid_event = False

    def __init__(self):
        self.pending = b""

    def feed(self, data):
        *events, self.pending = (self.pending + data).split(b"\n\n")
        return b"".join(event + b"\n\n" for event in events if b'"usage":{' not in event)

    def end(self):
        return self.pending + b": the end\n\n"


class AskForUsage:
    """What `stream_options.include_usage` will be."""

    model = "another"

    def __init__(self):
        self.outgoing = HoldBack()
        self.calls = []

    def to_upstream(self, request):
        self.calls.append("to_upstream")
        assert b"authorization" not in dict(request.headers), "each attempt shows its own credential"
        body = json.loads(request.body) | {"stream_options": {"include_usage": True}}
        return UpstreamRequest(request.method, request.url, request.headers, json.dumps(body).encode())

    def instead(self, status, request):
        return None

    async def to_client(self, answer):
        self.calls.append("to_client")
        return answer


@pytest.fixture
def edited(stage):
    edit = AskForUsage()
    told = []

    def edit_for(path, facts):
        told.append((path, facts))
        return edit

    stage.providers["openai"] = dataclasses.replace(stage.providers["openai"], edit_for=edit_for)
    edit.told = told
    return edit


ASKED = {key: value for key, value in CHAT.items() if key != "stream_options"} | {"stream": True}


async def test_what_is_held_back_from_the_client_is_on_record_all_the_same(stage, edited):
    answer = await stage.ask(PATH, ASKED)
    assert answer.complete
    assert b'"usage":{' not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n: the end\n\n")
    assert stage.sim.requests[-1].body != json.dumps(ASKED).encode()
    begun, ended, _, (usage,) = await stage.record()
    assert (begun.model, begun.metadata["requested_model"]) == ("another", "sim")
    assert usage.output_tokens > 0
    assert ended.error_type is None
    assert edited.calls == ["to_upstream", "to_client"]
    ((path, facts),) = edited.told
    assert (path, facts.model, facts.streaming) == ("/chat/completions", "sim", True)


async def test_the_edit_of_what_passes_through_knows_the_path_alone(stage, edited):
    edited.to_upstream = lambda request: request
    assert (await stage.ask("openai/v1/models", method="GET")).status == 200
    assert edited.told == [("/models", None)]


async def test_an_answer_that_breaks_off_gives_nothing_back_that_was_held(stage, edited):
    answer = await stage.ask(PATH, ASKED, sim="cut:3")
    assert b": the end" not in answer.body
    _, ended, *_ = await stage.record()
    assert ended.error_type == "upstream_truncated"


@pytest.mark.parametrize("path", [PATH, "openai/v1/models"])
async def test_what_a_provider_cannot_serve_is_refused_in_the_shape_of_the_api(stage, path):
    def edit_for(path, facts):
        raise NotServed(404, "there is no such thing here.")

    stage.providers["openai"] = dataclasses.replace(stage.providers["openai"], edit_for=edit_for)
    answer = await stage.ask(path, ASKED)
    assert (answer.status, answer.error["message"]) == (404, "AI Gateway: there is no such thing here.")
    assert not stage.sim.requests


async def test_an_answer_that_ends_while_it_is_edited_is_a_502(stage, edited):
    async def to_client(answer):
        while await answer.read():
            pass
        return answer

    edited.to_client = to_client
    answer = await stage.ask(PATH, ASKED, sim="drop:2")
    assert answer.status == 502
    _, ended, *_ = await stage.record()
    assert (ended.status_code, ended.error_type) == (502, "upstream_unreachable")
