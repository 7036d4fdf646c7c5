"""A connection to one MCP server with one credential, in either era of the protocol.

It is opened by the first who needs it, and again after it was lost. Since it outlives those who use it, it has a task
of its own. This module imports the SDK, which is slow; only `app` imports it, where a server is configured.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    ToolListChangedNotification,
)
from pydantic import ValidationError

from aigateway import __version__
from aigateway.tools import http
from aigateway.tools.choosing import Listed
from aigateway.tools.failures import ServerFailed
from aigateway.tools.session import Connect

_T = TypeVar("_T")

_MOST_PAGES = 50
_MOST_TOOLS = 2000
_CLOSE_SECONDS = 2.0
_LISTEN_AGAIN_SECONDS = (1.0, 5.0, 30.0)
_LONGEST_WORDS = 300
_ENDED = 404
"""The status of a server that has forgotten the session, and so has done nothing."""
_TOO_LARGE = (http.TOO_LARGE, "byte limit")
"""Our words and the SDK's, as the SDK passes them on."""
_LOST = "Connection closed"
"""The SDK's words for a connection that is over, with all that was under way on it."""
_CLOSED = "it closed the connection"

logging.getLogger("mcp").setLevel(logging.CRITICAL)
logging.getLogger("httpx2").setLevel(logging.CRITICAL)


def connecting(*, most: int) -> Connect:
    """Makes connections that take answers up to a size."""
    return lambda url, headers, changed: Connection(url, headers, most=most, changed=changed)


class Connection:
    """See above. Safe to use by many tasks of one event loop."""

    def __init__(self, url: str, headers: Mapping[str, str], *, most: int, changed: Callable[[], None]) -> None:
        """Take the server's address, what it is sent, the largest answer, and who is told that its tools changed."""
        self._url = url
        self._headers = headers
        self._most = most
        self._changed = changed
        self._status: list[int] = []
        self._running: asyncio.Task[str] | None = None
        self._ready: asyncio.Future[Client] | None = None
        self._closing = asyncio.Event()

    async def list_tools(self) -> list[Listed]:
        """What the server offers now.

        Raises:
            ServerFailed: it cannot be asked, or does not answer properly.
        """
        return await self._twice(_list_tools)

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call a tool.

        Raises:
            ServerFailed: there is no answer.
        """

        async def work(client: Client) -> CallToolResult:
            # The session's own method would check the answer against the server's schema, whose expressions are a
            # stranger's and run in our event loop.
            params = CallToolRequestParams(name=tool, arguments=arguments)
            return await client.session.send_request(CallToolRequest(params=params), CallToolResult)

        return await self._twice(work)

    async def close(self) -> None:
        """Tell the server, if it listens, and let go."""
        self._closing.set()
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=_CLOSE_SECONDS)
            self._running.cancel()

    async def _twice(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        """Do it again on a new connection where the server has forgotten the old one."""
        try:
            return await self._once(work)
        except ServerFailed as failure:
            if failure.status != _ENDED:
                raise
        self._forget(self._running)
        return await self._once(work)

    def _forget(self, running: asyncio.Task[str] | None) -> None:
        """Let whoever comes next open another connection than this one."""
        if running is not None:
            running.cancel()
        if self._running is running:
            self._running = None

    async def _once(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        running, client = await self._open()
        self._status.clear()
        doing = asyncio.ensure_future(work(client))
        try:
            await asyncio.wait({doing, running}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done() or doing.cancelled():
                raise ServerFailed(_CLOSED if running.cancelled() or not running.done() else running.result())
            error = doing.exception()
            if error is None:
                return doing.result()
            if isinstance(error, MCPError) and str(error) == _LOST:
                await asyncio.wait({running}, timeout=_CLOSE_SECONDS)  # it knows why
                if running.done() and not running.cancelled():
                    raise ServerFailed(running.result())
                self._forget(running)
            raise self._failure(error) from None
        finally:
            doing.add_done_callback(_look_away)
            doing.cancel()

    async def _open(self) -> tuple[asyncio.Task[str], Client]:
        if self._closing.is_set():
            raise ServerFailed("the connection was closed")
        if self._running is None or self._ready is None or self._running.done():
            self._ready = asyncio.get_running_loop().create_future()
            self._ready.add_done_callback(_look_away)
            self._running = asyncio.create_task(self._run(self._ready), name="mcp")
        running = self._running
        return running, await asyncio.shield(self._ready)

    async def _run(self, ready: asyncio.Future[Client]) -> str:
        """Be connected until told to close or until the connection is lost, and return why."""
        listening: asyncio.Task[None] | None = None
        try:
            async with (
                http.client(self._headers, self._most, note_status=self._status) as speaker,
                Client(
                    streamable_http_client(self._url, http_client=speaker, max_sse_event_size=self._most),
                    message_handler=self._hear,
                    client_info=Implementation(name="aigateway", version=__version__),
                    cache=None,
                ) as client,
            ):
                ready.set_result(client)
                listening = asyncio.create_task(self._listen(client), name="mcp-listen")
                await self._closing.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is told
            failure = self._failure(error)
            if not ready.done():
                ready.set_exception(failure)
            return str(failure)
        finally:
            if listening is not None:
                listening.cancel()
            ready.cancel()
        return _CLOSED

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed()

    async def _listen(self, client: Client) -> None:
        """Hear of changes in the era that has no sessions; in the other one they come by themselves."""
        tools = client.server_capabilities.tools
        if tools is None or not tools.list_changed:
            return
        for seconds in (*_LISTEN_AGAIN_SECONDS, *_LISTEN_AGAIN_SECONDS):
            with suppress(SubscriptionLost):
                try:
                    async with client.listen(tools_list_changed=True) as subscription:
                        async for _ in subscription:
                            self._changed()
                except (ListenNotSupportedError, MCPError):
                    return
            await asyncio.sleep(seconds)
            self._changed()  # what happened meanwhile, nobody told

    def _failure(self, error: BaseException) -> ServerFailed:
        """Say what is wrong, in the server's words only where they are short."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, ServerFailed):
            return error
        if self._status:
            return ServerFailed(f"it answered with HTTP status {self._status[0]}", status=self._status[0])
        if isinstance(error, httpx2.TimeoutException):
            return ServerFailed("it did not take the connection in time")
        if isinstance(error, ValidationError):
            return ServerFailed("it did not answer as the Model Context Protocol has it")
        if isinstance(error, http.Unwanted):
            return ServerFailed(str(error))
        if isinstance(error, MCPError) and any(words in str(error) for words in _TOO_LARGE):
            return ServerFailed(f"it sent more than {self._most} bytes")
        if isinstance(error, MCPError) and str(error) == _LOST:
            return ServerFailed(_CLOSED)
        if isinstance(error, httpx2.TransportError):
            return ServerFailed(f"it cannot be reached ({_words(error)})")
        return ServerFailed(f"it failed ({_words(error)})")


async def _list_tools(client: Client) -> list[Listed]:
    found: list[Listed] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        found += [Listed(tool.name, tool.description or tool.title or "", tool.input_schema) for tool in page.tools]
        if len(found) > _MOST_TOOLS:
            raise ServerFailed(f"it lists more than {_MOST_TOOLS} tools")
        cursor = page.next_cursor
        if not cursor:
            return found
    raise ServerFailed(f"its list of tools does not end within {_MOST_PAGES} pages")


def _words(error: BaseException) -> str:
    """What an error says, on one line and not too much of it."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
    return text if len(text) <= _LONGEST_WORDS else f"{text[:_LONGEST_WORDS]}…"


def _look_away(done: asyncio.Future[Any]) -> None:
    """What came of it is of no use any more."""
    if not done.cancelled():
        done.exception()
