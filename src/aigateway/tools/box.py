"""The toolbox: what every person is offered, and the calls that are made in their name."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from aigateway.accounts.actor import Actor
from aigateway.settings.tools import ToolServerSettings
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger
from aigateway.tools.choosing import Choice, together
from aigateway.tools.credentials import Credentials
from aigateway.tools.failures import ServerFailed
from aigateway.tools.offer import OfferedTool, ToolResult
from aigateway.tools.session import Connect, Session
from aigateway.tools.status import ServerStatuses

_FIRST_SECONDS = 2.0
"""How long a person's first requests wait for servers, all together."""
_IDLE_SECONDS = 900.0
_SWEEP_SECONDS = 30.0
_MOST_SESSIONS = 4000
_EVERYBODY = ""
"""Stands for all people at a server where they have no accounts."""

_log = get_logger("tools")


class Servers:
    """The organisation's MCP servers. It is a `Toolbox`."""

    def __init__(
        self,
        servers: Sequence[ToolServerSettings],
        *,
        credentials: Credentials,
        connect: Connect,
        result_of: Callable[[Any], ToolResult],
        ttl: float,
        call_timeout: float,
        most: int,
        events: Events,
    ) -> None:
        """Take the servers and how to reach them.

        Args:
            servers: in the operator's order.
            credentials: makes what each is shown.
            connect: makes a connection.
            result_of: reads an answer that a connection gave.
            ttl: seconds for which a list of tools is fresh.
            call_timeout: seconds for one call.
            most: bytes of one answer.
            events: is told how servers do.
        """
        self.statuses = ServerStatuses(servers, events)
        self._servers = {server.name: server for server in servers}
        self._credentials = credentials
        self._connect = connect
        self._result_of = result_of
        self._ttl = ttl
        self._call_timeout = call_timeout
        self._most = most
        self._events = events
        self._sessions: dict[tuple[str, str], Session] = {}
        self._merged: dict[str, tuple[tuple[Choice, ...], Choice]] = {}
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Close what nobody uses, from now on, and look what the servers offer that everybody shares."""
        self._sweeping = asyncio.create_task(self._sweep(), name="mcp-sweep")
        for server in self._servers.values():
            if server.account is None:
                self._session(_EVERYBODY, server).look()

    async def stop(self) -> None:
        """Close everything."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.close() for session in sessions))

    async def offered(self, actor: Actor) -> Sequence[OfferedTool]:
        """What this person has now. Only before anything is known of a server is it waited for, and not for long."""
        sessions = self._sessions_of(actor.user_id)
        waiting = [task for session in sessions if (task := session.look())]
        if waiting:
            now = time.monotonic()
            first = max(session.asked_at or now for session in sessions)
            for session in sessions:
                session.asked_at = session.asked_at or now
            if (rest := first + _FIRST_SECONDS - now) > 0:
                await asyncio.wait(waiting, timeout=rest)
        return self._together(actor.user_id, sessions).tools

    async def call(self, actor: Actor, tool: OfferedTool, arguments: str) -> ToolResult:
        """Call a tool in a person's name, within the limits."""
        server = self._servers.get(tool.server)
        if server is None:
            return ToolResult(failure=f"there is no MCP server {tool.server}")
        began = time.monotonic()
        result = await self._call(self._session(actor.user_id, server), tool.tool, arguments)
        failed = result.is_error or result.failure is not None
        self._events.tool_called(server.name, time.monotonic() - began, failed=failed)
        return result

    def failures(self, user_id: str) -> dict[str, str]:
        """Why a person has no tools from a server now, by the server's name, as far as that is known."""
        return {
            name: str(session.failure)
            for (whose, name), session in self._sessions.items()
            if whose in {user_id, _EVERYBODY} and session.failure is not None
        }

    async def forget(self, user_id: str, name: str) -> None:
        """A person's account at a server is another one now, or none."""
        if session := self._sessions.pop((user_id, name), None):
            await session.close()

    async def _call(self, session: Session, tool: str, arguments: str) -> ToolResult:
        try:
            given = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return ToolResult(failure="the arguments are no JSON object")
        try:
            async with asyncio.timeout(self._call_timeout):
                result = self._result_of(await session.call(tool, given))
        except TimeoutError:
            return ToolResult(failure=f"it did not answer within {self._call_timeout:g} s")
        except ServerFailed as failure:
            return ToolResult(failure=str(failure))
        except Exception:  # noqa: BLE001 - a request goes on, whatever a server makes of a call
            _log.exception("a call of an MCP server failed", server=session.server.name)
            return ToolResult(failure="the gateway could not read the answer")
        if len(result.raw.encode()) > self._most:
            return ToolResult(failure=f"it sent more than {self._most} bytes")
        return result

    def _sessions_of(self, user_id: str) -> list[Session]:
        return [self._session(user_id, server) for server in self._servers.values()]

    def _session(self, user_id: str, server: ToolServerSettings) -> Session:
        whose = _EVERYBODY if server.account is None else user_id
        session = self._sessions.get((whose, server.name))
        if session is None:
            session = self._sessions[whose, server.name] = Session(
                whose,
                server,
                credentials=self._credentials,
                connect=self._connect,
                report=self.statuses.note,
                ttl=self._ttl,
            )
        return session

    def _together(self, user_id: str, sessions: Sequence[Session]) -> Choice:
        choices = tuple(session.choice for session in sessions)
        known = self._merged.get(user_id)
        if known is None or any(one is not other for one, other in zip(known[0], choices, strict=True)):
            known = self._merged[user_id] = (choices, together(choices))
            of_servers = sum(len(choice.left_out) for choice in choices)
            if beyond := known[1].left_out[of_servers:]:
                _log.warning("tools are left out", reason=beyond[0].reason, tools=[each.tool for each in beyond])
        return known[1]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Close what was not used for a while, and the oldest of what is too many."""
        now = time.monotonic()
        by_use = sorted(self._sessions.items(), key=lambda item: item[1].used_at)
        too_many = max(0, len(by_use) - _MOST_SESSIONS)
        closing = [
            session
            for place, (key, session) in enumerate(by_use)
            if key[0] != _EVERYBODY and (place < too_many or now - session.used_at > _IDLE_SECONDS)
        ]
        for session in closing:
            self._sessions.pop((session.user_id, session.server.name), None)
            self._merged.pop(session.user_id, None)
        await asyncio.gather(*(session.close() for session in closing))
