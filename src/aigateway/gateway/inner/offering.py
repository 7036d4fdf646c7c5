"""What a request gets beside what its client sent: tools, and what is remembered of a turn that it goes on with.

Never a broken request: one that cannot be spliced goes as it is, and so does one whose provider refuses the tools.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aigateway.gateway.inner.memory import Memory
from aigateway.gateway.request import Request
from aigateway.telemetry.labels import printable
from aigateway.telemetry.logging import get_logger
from aigateway.tools.offer import OfferedTool, Toolbox
from aigateway.wire.facts import ApiFormat, RequestFacts
from aigateway.wire.inner.joining import going_on_from, joined
from aigateway.wire.inner.tools import NotOffered, ToolDefinition, with_tools

_log = get_logger("gateway")

REFUSES = frozenset({400, 422})
"""How providers answer tools that they do not take."""
_REMEMBER_SECONDS = 600.0
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Injected:
    """A request as the provider gets it."""

    body: bytes
    tools: Mapping[str, OfferedTool] = field(default_factory=dict)
    """Those that were added, by the name that the model knows."""


class Offering:
    """Decides for every request."""

    def __init__(self, toolbox: Toolbox, memory: Memory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._toolbox = toolbox
        self._memory = memory
        self._clock = clock
        self._refusing: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def inject(self, request: Request, api: ApiFormat, facts: RequestFacts) -> Injected | None:
        """The request with what it gets, None where it stays as it is."""
        if facts.purpose is not None or self._refuses(request, facts):
            return None
        offered = await self._toolbox.offered(request.actor)
        if request.headers.get("content-encoding", "identity") != "identity":
            if offered:
                _log.warning("a request gets no tools: its body is compressed", provider=request.route.provider.name)
            return None
        body = self._going_on(request, api, facts)
        tools: dict[str, OfferedTool] = {}
        if offered:
            body, tools = _with(request, api, body, {tool.name: tool for tool in offered})
        return None if body is request.body else Injected(body, tools)

    def refused(self, request: Request, facts: RequestFacts) -> None:
        """The same request was good without the tools."""
        key = (request.route.provider.name, facts.model or "")
        _log.warning(
            "a provider refuses tools: requests go without for a while", provider=key[0], model=printable(key[1])
        )
        self._refusing[key] = self._clock() + _REMEMBER_SECONDS
        while len(self._refusing) > _MOST:
            self._refusing.popitem(last=False)

    def _refuses(self, request: Request, facts: RequestFacts) -> bool:
        key = (request.route.provider.name, facts.model or "")
        until = self._refusing.get(key)
        if until is not None and until < self._clock():
            del self._refusing[key]
            return False
        return until is not None

    def _going_on(self, request: Request, api: ApiFormat, facts: RequestFacts) -> bytes:
        person = request.actor.user_id
        body = joined(api, request.body, self._memory.turns_in(person, request.body))
        known = facts.previous_response_id
        if api is ApiFormat.RESPONSES and known and (really := self._memory.response_after(person, known)):
            return going_on_from(body, known, really)
        return body


def _with(
    request: Request, api: ApiFormat, body: bytes, offered: Mapping[str, OfferedTool]
) -> tuple[bytes, dict[str, OfferedTool]]:
    provider = request.route.provider.name
    definitions = [ToolDefinition(tool.name, tool.description, tool.input_schema) for tool in offered.values()]
    try:
        made = with_tools(api, body, definitions)
    except NotOffered as why:
        tell = _log.debug if why.expected else _log.warning
        tell("a request gets no tools", provider=provider, reason=printable(str(why)))
        return body, {}
    if made.left_out:
        _log.warning("a request gets not all tools", provider=provider, left_out=", ".join(made.left_out))
    return made.body, {name: tool for name, tool in offered.items() if name in made.names}
