"""Making the model's calls: all of an answer at once, within limits, each on record before its result is used."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from aigateway.accounts.actor import Actor
from aigateway.audit.journal import JournalUnavailable
from aigateway.audit.recorder import Interception, Invocation
from aigateway.gateway.inner.limits import Limits
from aigateway.gateway.inner.results import error_of, told
from aigateway.telemetry.logging import get_logger
from aigateway.tools.offer import OfferedTool, Toolbox, ToolResult
from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.turn import CallResult, HeldCall, Round

_log = get_logger("gateway")

MOST_AT_ONCE = 32
"""Calls of one answer; more of them wait for their turn."""
_CANCELLED = "The call was cancelled, since the request was broken off."


class Caller:
    """Makes the calls of one request."""

    def __init__(
        self,
        toolbox: Toolbox,
        limits: Limits,
        *,
        actor: Actor,
        api: ApiFormat,
        tools: Mapping[str, OfferedTool],
        interception: Interception,
    ) -> None:
        self._toolbox = toolbox
        self._limits = limits
        self._actor = actor
        self._api = api
        self._tools = tools
        self._interception = interception

    async def make(self, came: Round) -> list[CallResult]:
        """Make every call of an answer. Raises `JournalUnavailable`."""
        places = asyncio.Semaphore(MOST_AT_ONCE)
        calls = [self._make(call, came.response_id, places) for call in came.calls]
        # All are waited for, so that none goes on unseen where one cannot be put on record.
        results = await asyncio.gather(*calls, return_exceptions=True)
        return _all_of(results)

    async def refuse(self, came: Round) -> list[CallResult]:
        """Answer the calls of an answer that comes too late. Raises `JournalUnavailable`."""
        reason = (
            f"The limit of {self._limits.rounds} rounds of tool calls is reached (--ai-gateway-mcp-max-rounds). "
            "No more tools can be called in this turn: answer with what you know."
        )
        result = ToolResult(failure=reason)
        for call in came.calls:
            await self._on_record(call, came.response_id, result, 0.0)
        return [told(self._api, call, result) for call in came.calls]

    async def _make(self, call: HeldCall, response_id: str, places: asyncio.Semaphore) -> CallResult:
        async with places:
            began = time.monotonic()
            try:
                result = await self._within_limits(call)
            except asyncio.CancelledError:
                cancelled = ToolResult(failure=_CANCELLED)
                with contextlib.suppress(JournalUnavailable):
                    self._on_record(call, response_id, cancelled, time.monotonic() - began)
                raise
            await self._on_record(call, response_id, result, time.monotonic() - began)
        return told(self._api, call, result)

    async def _within_limits(self, call: HeldCall) -> ToolResult:
        limits, tool = self._limits, self._tools[call.name]
        try:
            async with asyncio.timeout(limits.seconds):
                result = await self._toolbox.call(self._actor, tool, call.arguments)
        except TimeoutError:
            return ToolResult(
                failure=f"The tool did not answer within {limits.seconds:g} s (--ai-gateway-mcp-call-timeout)."
            )
        except Exception:  # noqa: BLE001 - a tool never fails a request
            _log.exception("a tool could not be called", tool=tool.name, server=tool.server)
            return ToolResult(failure="The gateway failed to call the tool; its log has the reason.")
        size = len(result.raw.encode("utf-8", "replace"))
        if size > limits.result_bytes:
            return ToolResult(
                failure=f"The tool's result has {size} bytes, and {limits.result_bytes} are let through "
                "(--ai-gateway-mcp-max-result-size). Ask for less."
            )
        return result

    def _on_record(self, call: HeldCall, response_id: str, result: ToolResult, seconds: float) -> asyncio.Future[None]:
        tool = self._tools[call.name]
        return self._interception.invoked(
            Invocation(
                response_id=response_id,
                call_id=call.call_id,
                item_id=call.item_id,
                tool=tool.tool,
                arguments=call.arguments,
                server_url=tool.server_url,
                server=tool.server,
                duration_ms=round(seconds * 1000),
                error=error_of(result),
            )
        )


def _all_of(results: Sequence[CallResult | BaseException]) -> list[CallResult]:
    made: list[CallResult] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        made.append(result)
    return made
