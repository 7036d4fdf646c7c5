"""Injected tools behind Amazon Bedrock, whose request shape and event stream are another edit's."""

from __future__ import annotations

import json

import pytest

from tests.gateway.stage import MESSAGES
from tests.support.bedrock import on_bedrock
from tests.support.fake_bedrock import FakeBedrock
from tests.wire.inner.telling import read


@pytest.mark.parametrize("stream", [True, False])
async def test_a_turn_behind_bedrock(loop, stream):
    prompt = 'Please call the tool bmcp_wiki_search {"q": "it"}'
    asked = MESSAGES | {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": prompt}]}
    with FakeBedrock() as bedrock:
        loop.stage.providers["anthropic"] = on_bedrock(bedrock.url)
        answer = await loop.stage.ask("anthropic/v1/messages", asked | {"stream": stream})
        first, second = bedrock.requests
    assert (answer.status, answer.complete) == (200, True)
    assert b"bmcp_wiki" not in answer.body
    assert [tool["name"] for tool in first.json()["tools"]] == ["bmcp_wiki_read", "bmcp_wiki_search"]
    assert second.json()["messages"][-1]["content"][0]["content"][0]["text"] == "Page 7 has it."
    if stream:
        events = read(answer.body)
        indices = [event["index"] for event in events if event["type"] == "content_block_start"]
        assert indices == [*range(len(indices))]
        assert events[-1] == {"type": "message_stop"}
    else:
        assert "Page 7 has it." in answer.json()["content"][-1]["text"]
    (row,) = await loop.tools()
    assert (row.tool, row.injected, json.loads(row.input)) == ("search", True, {"q": "it"})
    assert len(await loop.usages()) == 2
