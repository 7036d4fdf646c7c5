"""A stage with tools: a provider whose answers are scripted, a toolbox that does as it is told, and real clients."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import anthropic
import openai
import pytest
import uvicorn

from aigateway.app.asgi import Application
from aigateway.app.http_protocol import HttpProtocol
from aigateway.app.listener import Server, base_url, bind
from aigateway.gateway.inner.limits import Limits
from aigateway.gateway.inner.loop import InnerLoop
from aigateway.settings.model import Address
from aigateway.store.records import InterceptionEnd, ModelThought, TokenUsage, ToolUsage
from aigateway.tools.offer import OfferedTool, Text, ToolResult
from aigateway.wire.facts import ApiFormat
from tests.gateway.scripted import Say, scripted
from tests.gateway.stage import TOKEN
from tests.providers.making import provider
from tests.support.waiting import eventually
from tests.wire.inner.telling import streamed
from tests.wire.inner.test_turns import body_of, events_of

PATHS = {
    ApiFormat.CHAT: "openai/v1/chat/completions",
    ApiFormat.RESPONSES: "openai/v1/responses",
    ApiFormat.MESSAGES: "anthropic/v1/messages",
}
BASH = {"name": "Bash", "parameters": {"type": "object", "properties": {"command": {"type": "string"}}}}
ASKED = {
    ApiFormat.CHAT: {"messages": [{"role": "user", "content": "What is it?"}]},
    ApiFormat.RESPONSES: {"input": "What is it?"},
    ApiFormat.MESSAGES: {"messages": [{"role": "user", "content": "What is it?"}], "max_tokens": 500},
}
OWN_TOOLS = {
    ApiFormat.CHAT: [{"type": "function", "function": BASH}],
    ApiFormat.RESPONSES: [{"type": "function", **BASH}],
    ApiFormat.MESSAGES: [{"name": "Bash", "input_schema": BASH["parameters"], "cache_control": {"type": "ephemeral"}}],
}


def text(said, *, is_error=False):
    """A result as a server gives it."""
    raw = {"content": [{"type": "text", "text": said}], "isError": is_error}
    return ToolResult((Text(said),), is_error=is_error, raw=json.dumps(raw, separators=(",", ":")))


class Wiki:
    """A toolbox: `answers` by the name of a tool, which are results or functions of the arguments."""

    def __init__(self):
        schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
        self.tools = [
            OfferedTool(f"bmcp_wiki_{name}", "wiki", "https://wiki.example/mcp", name, f"{name} the wiki", schema)
            for name in ("read", "search")
        ]
        self.answers = {"search": text("Page 7 has it."), "read": text("It is 42.")}
        self.calls = []
        self.at_once = 0
        self.most_at_once = 0
        self.cancelled = 0

    async def offered(self, actor):
        assert actor.username == "alice"
        return self.tools

    async def call(self, actor, tool, arguments):
        assert actor.username == "alice"
        self.calls.append((tool.tool, arguments))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = self.answers[tool.tool]
            return await answer(arguments) if callable(answer) else answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


class Loop:
    """Made by the `loop` fixture."""

    def __init__(self, stage, upstream):
        self.stage = stage
        self.upstream = upstream
        self.wiki = Wiki()
        self.limit()

    def limit(self, **limits):
        self.stage.inner = InnerLoop(self.wiki, Limits(**limits))

    def says(self, api, *answers, streams=True):
        """The answers of the provider, in turn; each is a list of blocks (`tests.wire.inner.telling`), or a `Say`."""
        for number, blocks in enumerate(answers, 1):
            if isinstance(blocks, Say):
                self.upstream.answers.append(blocks)
            elif streams:
                body = streamed(api, events_of(api, number, *blocks))
                self.upstream.answers.append(Say(body=body, content_type="text/event-stream"))
            else:
                self.upstream.answers.append(Say(body=body_of(api, number, *blocks)))

    async def ask(self, api, *, streams=True, tools=True, **more):
        payload = {"model": "sim", "stream": streams, **ASKED[api]}
        if tools:
            payload["tools"] = OWN_TOOLS[api]
        if api is ApiFormat.CHAT and streams:
            payload["stream_options"] = {"include_usage": True}
        return await self.stage.ask(PATHS[api], payload | more)

    @property
    def asked(self):
        """The requests that the provider got."""
        return [asked.json() for asked in self.upstream.asked]

    async def rows(self, kind):
        return [row for row in await self.stage.records() if isinstance(row, kind)]

    async def tools(self):
        return await self.rows(ToolUsage)

    async def usages(self):
        return await self.rows(TokenUsage)

    async def thoughts(self):
        return await self.rows(ModelThought)

    async def end(self):
        (end,) = await self.rows(InterceptionEnd)
        return end

    @asynccontextmanager
    async def served(self):
        """The gateway on a real port: OpenAI's client, and Anthropic's."""
        application = Application(health=None, data_plane=self.stage.app.serve, sockets=None, make_control_plane=None)
        listening = bind(Address("127.0.0.1", 0))
        server = Server(
            uvicorn.Config(
                application, http=HttpProtocol, ws="none", lifespan="off", log_config=None, proxy_headers=False
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        base = f"{base_url(listening)}/api/v2/aibridge"
        async with (
            openai.AsyncOpenAI(base_url=f"{base}/openai/v1", api_key=TOKEN, max_retries=0) as one,
            anthropic.AsyncAnthropic(base_url=f"{base}/anthropic", api_key=TOKEN, max_retries=0) as other,
        ):
            yield one, other
        server.should_exit = True
        await serving

    async def until(self, condition):
        await eventually(condition)


@pytest.fixture
async def loop(stage):
    async with scripted() as upstream:
        stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1")
        stage.providers["anthropic"] = provider("anthropic", base_url=upstream.url)
        yield Loop(stage, upstream)
