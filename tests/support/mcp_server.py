"""A real MCP server (the official SDK) in a thread of its own, whose tools and manners a test decides."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

from tests.support.waiting import eventually

TOOLS = ("echo", "fail", "picture")
_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


class McpServer:
    """Speaks both eras of the protocol unless told to know of sessions only.

    Tools: `echo` gives its arguments back, `fail` says that it failed, `picture` answers with all kinds of content,
    `slow` waits until `hurry()`, `huge` answers with `size` bytes, `die` cuts the connection. Others answer `ok`.
    """

    def __init__(self, tools: Sequence[str] = TOOLS, *, sessions: bool = False, tokens: set[str] | None = None) -> None:
        self.tools: list[types.Tool] = [tool(name) for name in tools]
        self.sessions = sessions
        self.tokens = tokens
        """Who may enter; None for everybody."""
        self.called: list[tuple[str, dict[str, Any], str]] = []
        """Each call with its arguments and the `Authorization` that came with it."""
        self.listed = 0
        self.cancelled = 0
        self.size = 0
        self.page: int | None = None
        self.answer: Callable[[str], tuple[int, bytes, list[tuple[bytes, bytes]]] | None] = lambda _method: None
        """What is answered in place of the SDK, by a request's method: status, body with `$ID` for its id, headers."""
        self.headers: list[dict[str, str]] = []
        self._hurry = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._legacy: list[Any] = []
        self._bus = InMemorySubscriptionBus()
        self._server = Server[Any](
            "scripted",
            on_list_tools=self._list,
            on_call_tool=self._call,
            on_subscriptions_listen=ListenHandler(self._bus),
        )
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._uvicorn: uvicorn.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(10)

    def offer(self, *tools: str | types.Tool, tell: bool = True) -> None:
        """Offer other tools from now on, and say so unless told not to."""
        self.tools = [tool(each) if isinstance(each, str) else each for each in tools]
        if tell:
            asyncio.run_coroutine_threadsafe(self._tell(), self._loop).result(5)

    def hurry(self) -> None:
        """Let what is slow go on."""
        self._loop.call_soon_threadsafe(self._hurry.set)

    def block(self) -> None:
        """Answer nothing from now on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def unblock(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def _stop(self) -> None:
        self._hurry.set()
        self._open.set()
        if self._uvicorn:
            self._uvicorn.should_exit = True
            self._uvicorn.force_exit = True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = self._server.streamable_http_app()
        config = uvicorn.Config(self._in_front(app), port=0, log_config=None, ws="none", timeout_graceful_shutdown=0)
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.install_signal_handlers = lambda: None
        serving = asyncio.create_task(self._uvicorn._serve())
        await eventually(lambda: self._uvicorn is not None and self._uvicorn.started)
        self.port = self._uvicorn.servers[0].sockets[0].getsockname()[1]
        self._started.set()
        await serving
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def _in_front(self, app: Any) -> Any:
        async def front(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            await self._open.wait()
            headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
            self.headers.append(headers)
            bearer = headers.get("authorization", "").removeprefix("Bearer ")
            if self.tokens is not None and bearer not in self.tokens:
                await _answer(send, 401, b"{}", [])
                return
            body = b""
            if scope["method"] == "POST":
                more = True
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
            asked = json.loads(body) if body else {}
            method = asked.get("method", "")
            if (instead := self.answer(method)) is not None:
                status, content, more_headers = instead
                await _answer(send, status, content.replace(b"$ID", str(asked.get("id")).encode()), more_headers)
                return
            if self.sessions and method == "server/discover":
                refused = {"jsonrpc": "2.0", "id": None, "error": {"code": -32601, "message": "Method not found"}}
                await _answer(send, 400, json.dumps(refused).encode(), [])
                return
            given = False

            async def again() -> Any:
                nonlocal given
                if given or scope["method"] != "POST":
                    return await receive()
                given = True
                return {"type": "http.request", "body": body, "more_body": False}

            await app(scope, again, send)

        return front

    async def _list(self, ctx: Any, params: Any) -> types.ListToolsResult:
        self.listed += 1
        self._legacy.append(ctx.session)
        if self.page is None:
            return types.ListToolsResult(tools=self.tools)
        start = int(params.cursor) if params and params.cursor else 0
        end = start + self.page
        following = str(end) if end < len(self.tools) else None
        return types.ListToolsResult(tools=self.tools[start:end], next_cursor=following)

    async def _call(self, ctx: Any, params: Any) -> types.CallToolResult:
        arguments = params.arguments or {}
        request = ctx.request
        self.called.append((params.name, arguments, request.headers.get("authorization", "") if request else ""))
        if params.name == "echo":
            return _said(json.dumps(arguments))
        if params.name == "fail":
            return types.CallToolResult(content=[types.TextContent(text="no such issue")], is_error=True)
        if params.name == "picture":
            return _all_kinds()
        if params.name == "huge":
            return _said("x" * self.size)
        if params.name == "slow":
            try:
                await self._hurry.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if params.name == "die":
            for connection in list(self._uvicorn.server_state.connections) if self._uvicorn else ():
                connection.transport.abort()
        return _said("ok")

    async def _tell(self) -> None:
        await self._bus.publish(ToolsListChanged())
        for session in self._legacy:
            try:
                await session.send_tool_list_changed()
            except Exception:  # noqa: BLE001, S112 - a session that is over hears nothing
                continue


def tool(name: str, schema: Any = None, description: str = "", **more: Any) -> types.Tool:
    """A tool as a server lists it, whatever it says."""
    return types.Tool.model_construct(
        name=name, description=description or f"Does {name}.", input_schema=schema or _SCHEMA, **more
    )


def _said(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


def _all_kinds() -> types.CallToolResult:
    return types.CallToolResult(
        content=[
            types.TextContent(text="look"),
            types.ImageContent(data="aGk=", mime_type="image/png"),
            types.AudioContent(data="aGk=", mime_type="audio/wav"),
            types.ResourceLink(uri="file:///a", name="a"),
            types.EmbeddedResource(
                resource=types.TextResourceContents(uri="file:///b", mime_type="text/plain", text="bee")
            ),
            types.EmbeddedResource(
                resource=types.BlobResourceContents(uri="file:///c", mime_type="application/x-c", blob="Yw==")
            ),
        ]
    )


async def _answer(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
