"""One person at one server: their credential, the connection that carries it, and the list of tools they have there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from aigateway.settings.tools import ToolServerSettings
from aigateway.tools.choosing import NOTHING, Choice, Listed, choose
from aigateway.tools.credentials import Credentials
from aigateway.tools.failures import ServerFailed

_T = TypeVar("_T")

LIST_SECONDS = 10.0
"""For a server to say what it offers, the way there included."""
_AGAIN_SECONDS = 30.0
"""After a list that failed; a change that the server tells of is looked at sooner."""
_LONGEST_USE_SECONDS = 3600.0
"""How long a list is used that could not be brought up to date."""


class Speaks(Protocol):
    """A connection to a server."""

    async def list_tools(self) -> list[Listed]:
        """What it offers now. Raises ServerFailed."""

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Call a tool. Raises ServerFailed."""

    async def close(self) -> None:
        """Let go."""


Connect = Callable[[str, Mapping[str, str], Callable[[], None]], Speaks]
"""Makes a connection of an address, headers, and who is told of changes."""
Report = Callable[[ToolServerSettings, Choice | ServerFailed], None]
"""Is told what came of each attempt to list tools."""


class Session:
    """See above. Tools are listed beside requests; whoever needs them takes what is there."""

    def __init__(
        self,
        user_id: str,
        server: ToolServerSettings,
        *,
        credentials: Credentials,
        connect: Connect,
        report: Report,
        ttl: float,
    ) -> None:
        self.user_id = user_id
        self.server = server
        self.used_at = time.monotonic()
        self.choice = NOTHING
        self.failure: ServerFailed | None = None
        self.asked_at: float | None = None
        """When the person first wanted tools from here; None when they do not yet."""
        self._credentials = credentials
        self._connect = connect
        self._report = report
        self._ttl = ttl
        self._listed_at: float | None = None
        self._next_at = 0.0
        self._listing: asyncio.Task[None] | None = None
        self._headers: Mapping[str, str] | None = None
        self._connection: Speaks | None = None

    def look(self) -> asyncio.Task[None] | None:
        """See to it that the list is fresh, beside whatever asks; the task, while nothing was ever listed."""
        now = self.used_at = time.monotonic()
        if self._listed_at is not None and now - self._listed_at > max(self._ttl, _LONGEST_USE_SECONDS):
            self._listed_at, self.choice = None, NOTHING
        if self._listing is None and now >= self._next_at:
            self._listing = asyncio.create_task(self._list(), name="mcp-list")
        never = self._listed_at is None and self.failure is None
        return self._listing if never else None

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Call a tool.

        Raises:
            ServerFailed: there is no answer.
        """
        self.used_at = time.monotonic()
        return await self._ask(lambda connection: connection.call(tool, arguments))

    def changed(self) -> None:
        """The list is not fresh any more."""
        self._next_at = 0.0
        if self._listing is None:
            self.look()

    async def close(self) -> None:
        """Let go of the connection."""
        if self._listing is not None:
            self._listing.cancel()
        if self._connection is not None:
            await self._connection.close()

    async def _list(self) -> None:
        self._next_at = time.monotonic() + self._ttl
        try:
            async with asyncio.timeout(LIST_SECONDS):
                listed = await self._ask(lambda connection: connection.list_tools())
            self.choice, self.failure = choose(self.server, listed), None
            self._listed_at = time.monotonic()
            self._report(self.server, self.choice)
        except (TimeoutError, ServerFailed) as error:
            failure = error if isinstance(error, ServerFailed) else _slow(LIST_SECONDS)
            self._failed(failure)
        finally:
            self._listing = None

    def _failed(self, failure: ServerFailed) -> None:
        """What was listed before is offered on, unless this person may not have it any more."""
        self.failure = failure
        self._next_at = time.monotonic() + min(self._ttl, _AGAIN_SECONDS)
        if failure.forbids:
            self._listed_at, self.choice = None, NOTHING
        self._report(self.server, failure)

    async def _ask(self, work: Callable[[Speaks], Awaitable[_T]]) -> _T:
        """Do it with the credential that is good now, and once more with a new one where it is refused."""
        headers = await self._credentials.headers(self.user_id, self.server)
        try:
            return await work(await self._with(headers))
        except ServerFailed as failure:
            if not failure.forbids or failure.status is None or self.server.account is None:
                raise
        headers = await self._credentials.headers(self.user_id, self.server, refused=headers)
        return await work(await self._with(headers))

    async def _with(self, headers: Mapping[str, str]) -> Speaks:
        if self._connection is not None and self._headers == headers:
            return self._connection
        old, self._headers = self._connection, headers
        self._connection = self._connect(self.server.url, headers, self.changed)
        if old is not None:
            await old.close()
        return self._connection


def _slow(seconds: float) -> ServerFailed:
    return ServerFailed(f"it did not answer within {seconds:g} s")
