"""How the MCP servers do, as they were seen last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from aigateway.settings.tools import ToolServerSettings
from aigateway.store.times import utc_now
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger
from aigateway.tools.choosing import Choice, LeftOut
from aigateway.tools.failures import NotLinked, ServerFailed

_log = get_logger("tools")


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server."""

    name: str
    url: str
    needs_account: bool
    reachable: bool | None = None
    """None until somebody has asked it."""
    error: str = ""
    """Why it is not, the end of a sentence about it."""
    checked_at: datetime | None = None
    tools: tuple[str, ...] = ()
    """The names, as models see them, that it offered to whoever asked last."""
    left_out: tuple[LeftOut, ...] = ()


class ServerStatuses:
    """Keeps what came of the last list of each server, and tells of it."""

    def __init__(
        self,
        servers: Iterable[ToolServerSettings],
        events: Events,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._statuses = {
            server.name: ServerStatus(server.name, server.url, server.account is not None) for server in servers
        }
        self._events = events
        self._clock = clock

    def statuses(self) -> list[ServerStatus]:
        """All servers, in the operator's order."""
        return list(self._statuses.values())

    def note(self, server: ToolServerSettings, found: Choice | ServerFailed) -> None:
        """What came of one attempt to list a server's tools."""
        if isinstance(found, NotLinked):
            return  # says something of a person, and nothing of the server
        before = self._statuses[server.name]
        if isinstance(found, ServerFailed):
            after = replace(before, reachable=False, error=str(found), checked_at=self._clock())
            if before.error != after.error:
                _log.warning("an MCP server cannot be used", server=server.name, error=after.error)
        else:
            names = tuple(tool.name for tool in found.tools)
            after = replace(
                before, reachable=True, error="", checked_at=self._clock(), tools=names, left_out=found.left_out
            )
            if before.reachable is not True or before.tools != names or before.left_out != found.left_out:
                left_out = [f"{each.tool} {each.reason}" for each in found.left_out]
                _log.info("an MCP server offers tools", server=server.name, tools=len(names), left_out=left_out[:50])
        self._statuses[server.name] = after
        self._events.tools_listed(server.name, len(after.tools), reachable=bool(after.reachable))
