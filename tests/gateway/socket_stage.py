"""The stage, served by the real HTTP server, for WebSocket clients; and providers that answer as a test wants."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from aiohttp import WSMsgType, web

from aigateway.app.asgi import Application
from aigateway.app.http_protocol import HttpProtocol
from aigateway.app.listener import Server, base_url, bind
from aigateway.app.socket_protocol import SocketProtocol
from aigateway.audit.recorder import Recorder
from aigateway.gateway.aiohttp_socket import AiohttpSockets
from aigateway.gateway.socket_upstream import SocketUpstream
from aigateway.gateway.websocket import Sockets
from aigateway.settings.model import Address
from aigateway.store.records import InterceptionEnd, InterceptionStart, PromptUsage, TokenUsage, ToolUsage
from tests.gateway.stage import TOKEN, Stage
from tests.providers.making import provider
from tests.support.waiting import eventually

PATH = "/api/v2/aibridge/openai/v1/responses"
ENDS = ("response.completed", "response.failed", "response.incomplete", "error")


class SocketStage:
    """Made by the `sockets` fixture."""

    def __init__(self, stage: Stage, http: aiohttp.ClientSession, transport: AiohttpSockets) -> None:
        self.stage = stage
        self.http = http
        self.transport = transport
        self.url = ""
        self.server: Server | None = None
        self.recorder = Recorder(stage.journal)

    def serve(self, listening) -> asyncio.Task[None]:
        stage = self.stage
        sockets = Sockets(
            providers=stage.providers,
            admitter=stage.admitter,
            authenticator=stage.tokens,
            recorder=self.recorder,
            upstream=SocketUpstream(lambda: self.transport),
            in_flight=stage.in_flight,
            actor_headers=stage.actor_headers,
            allow_byok=stage.allow_byok,
            idle_timeout=stage.idle_timeout,
            rate_limiter=stage.rate_limiter,
        )
        application = Application(health=None, data_plane=stage.app.serve, sockets=sockets, make_control_plane=None)
        config = uvicorn.Config(
            application,
            http=HttpProtocol,
            ws=SocketProtocol,
            ws_max_size=stage.admitter.max_body_size,
            ws_per_message_deflate=False,
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            timeout_graceful_shutdown=20,
        )
        self.url = base_url(listening)
        self.server = Server(config)
        return asyncio.create_task(self.server.serve(sockets=[listening]))

    def stop(self) -> None:
        """As SIGTERM does."""
        self.server.should_exit = True
        self.stage.admitter.close()
        self.stage.in_flight.stop()

    async def open(self, *, path=PATH, sim=None, token=TOKEN, headers=None, query="", protocols=(), **options):
        sent = {"authorization": f"Bearer {token}"} if token else {}
        if sim:
            sent["x-sim-scenario"] = sim
        url = self.url + path + query
        sent |= headers or {}
        return await self.http.ws_connect(url, headers=sent, protocols=protocols, autoclose=False, **options)

    async def refusal(self, **options):
        """The status, headers and body of a handshake that is refused."""
        sent = {
            "authorization": f"Bearer {TOKEN}",
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "c1VVxxQHZqcWijA8ufaxTQ==",
        } | options.pop("headers", {})
        sent = {name: value for name, value in sent.items() if value is not None}
        async with self.http.get(self.url + options.pop("path", PATH), headers=sent) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    async def turns(self):
        """(start, end, prompt, usage) of each interception, in the order in which they began."""
        records = await self.stage.records()
        found = []
        for begun in (r for r in records if isinstance(r, InterceptionStart)):
            of = [r for r in records if r.interception_id == begun.interception_id]
            ends, prompts, usages = (
                [r for r in of if isinstance(r, kind)] for kind in (InterceptionEnd, PromptUsage, TokenUsage)
            )
            assert len(ends) <= 1
            found.append((begun, *(ends or [None]), prompts[0].prompt if prompts else None, *(usages or [None])))
        return found

    async def tools(self):
        return [r for r in await self.stage.records() if isinstance(r, ToolUsage)]

    async def ended(self, count=1):
        """The turns, as soon as that many have ended."""
        async with asyncio.timeout(10):
            while True:
                turns = await self.turns()
                if sum(turn[1] is not None for turn in turns) == count:
                    return turns
                await asyncio.sleep(0.01)

    async def until(self, condition):
        await eventually(condition)

    @asynccontextmanager
    async def provider(self, answer, **settings):
        """Let `openai` be a provider whose sockets are answered by `answer(socket, request)`."""

        async def handle(request):
            socket = web.WebSocketResponse(autoclose=False, **settings)
            socket.headers["x-request-id"] = "req_of_the_provider"
            socket.headers["set-cookie"] = "secret=1"
            await socket.prepare(request)
            await answer(socket, request)
            return socket

        application = web.Application()
        application.router.add_get("/v1/responses", handle)
        async with served(application) as url:
            self.stage.providers["openai"] = provider("openai", base_url=f"{url}/v1")
            yield


@asynccontextmanager
async def served(application):
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def socket_stage(stage: Stage):
    transport = AiohttpSockets(connect_timeout=3)
    async with aiohttp.ClientSession() as http:
        sockets = SocketStage(stage, http, transport)
        task = sockets.serve(bind(Address("127.0.0.1", 0)))
        await eventually(lambda: sockets.server.started)
        yield sockets
    sockets.stop()
    stage.in_flight.interrupt_all()
    await task
    await transport.close()


def create(text="Hello there", **more):
    return {"type": "response.create", "model": "sim", "input": text, **more}


async def ask(socket, message):
    """Send a message and take the answer's messages up to its end."""
    await socket.send_str(message if isinstance(message, str) else json.dumps(message))
    return await answer_of(socket)


async def answer_of(socket, lane=None):
    messages = []
    async with asyncio.timeout(10):
        while True:
            frame = await socket.receive()
            if frame.type is not WSMsgType.TEXT:
                raise AssertionError(f"the socket ended: {frame}, after {messages[-1:]}")
            message = json.loads(frame.data)
            if lane is None or message.get("stream_id") == lane:
                messages.append(message)
                if message["type"] in ENDS:
                    return messages


async def farewell(socket):
    """What is still said, and the close frame's code and reason."""
    messages = []
    async with asyncio.timeout(10):
        while True:
            frame = await socket.receive()
            if frame.type is WSMsgType.TEXT:
                messages.append(json.loads(frame.data))
            else:
                await socket.close()
                return messages, frame.data or 1006, frame.extra
