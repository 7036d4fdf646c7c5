"""The Responses API over WebSocket (https://developers.openai.com/api/docs/guides/websocket-mode).

Requests of one lane (`stream_id`) are answered one after the other, lanes side by side.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import msgspec

from aigateway.simulator import errors, responses, scenario, script
from aigateway.simulator.connection import Connection
from aigateway.simulator.received import ReceivedRequest
from aigateway.simulator.scenario import Ending, Scenario

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_HEADERS = [(b"x-request-id", b"req_simulated_socket"), (b"set-cookie", b"__sim=1; path=/; HttpOnly")]
_PATHS = ("/responses", "/v1/responses", "/openai/v1/responses")


class Sockets:
    """Answers WebSockets; shares what was received and planned with the answers to requests."""

    def __init__(self, requests: deque[ReceivedRequest], planned: deque[str], interval: float) -> None:
        self.requests = requests
        self.planned = planned
        self.interval = interval

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        opening = ReceivedRequest("GET", f"{path}?{query}" if query else path, tuple(scope["headers"]), b"")
        self.requests.append(opening)
        asked = scenario.find(opening.header(scenario.HEADER), "")
        refusal = 404 if path not in _PATHS else 405 if "no-websocket" in asked else asked.status
        if refusal is not None:
            kind = [(b"content-type", b"application/json")]
            await send({"type": "websocket.http.response.start", "status": refusal, "headers": kind})
            body = script.as_json(errors.openai(refusal))
            await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
            return
        subprotocol = next(iter(scope["subprotocols"]), None)
        await send({"type": "websocket.accept", "headers": _HEADERS, "subprotocol": subprotocol})
        socket = _Socket(self, opening, Connection(scope["state"]["transport"], receive, send), send)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                socket.take(message["bytes"] if text is None else text.encode())
        finally:
            opening.outcome = await socket.stop()


class _Socket:
    """One open socket: a queue and a task for each lane."""

    def __init__(self, sockets: Sockets, opening: ReceivedRequest, connection: Connection, send: Send) -> None:
        self._sockets = sockets
        self._opening = opening
        self._connection = connection
        self._send = send
        self._lanes: dict[str, asyncio.Queue[tuple[ReceivedRequest, dict[str, Any]]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def take(self, message: bytes) -> None:
        """Remember a message, and answer it when its turn has come."""
        opening = self._opening
        request = ReceivedRequest("MESSAGE", opening.path, opening.headers, message)
        self._sockets.requests.append(request)
        try:
            body = msgspec.json.decode(message, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            body = {"type": None, "unreadable": str(error)}
        lane = str(body.get("stream_id", ""))
        if lane not in self._lanes:
            self._lanes[lane] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._work(lane)))
        self._lanes[lane].put_nowait((request, body))

    async def stop(self) -> str:
        """Answer nothing more; give what became of the socket."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return "broken" if self._connection.broken else "answered"

    async def _work(self, lane: str) -> None:
        while True:
            request, body = await self._lanes[lane].get()
            told = {"stream_id": lane} if lane else {}
            try:
                await self._answer(request, body, told)
            except OSError:
                request.outcome = "client_gone"
                return
            except (ValueError, RecursionError) as error:
                await self._say({"type": "error", "status": 400, **errors.openai(400, str(error)), **told})
            request.outcome = "broken" if self._connection.broken else "answered"

    async def _answer(self, request: ReceivedRequest, body: dict[str, Any], told: dict[str, Any]) -> None:
        if body.get("type") != "response.create":
            raise ValueError(f"We could not read the message: {body.get('unreadable') or body.get('type')!r}")
        ask = responses.read(body)
        planned = self._sockets.planned
        asked = scenario.find(planned.popleft() if planned else request.header(scenario.HEADER), ask.text)
        if asked.status is not None:
            await self._say({"type": "error", "status": asked.status, **errors.openai(asked.status), **told})
            return
        answer = script.write(ask, asked, request.body)
        ending = asked.ending
        for number, value in enumerate(self._values(responses.messages(answer, body), asked)):
            if ending is not None and number == ending.after:
                await self._end(ending, {**responses.failed(answer, body), **told}, told)
                return
            if interval := (asked.number("slow", 200) / 1000 if "slow" in asked else self._sockets.interval):
                await asyncio.sleep(interval)
            await self._say({**value, **told})

    @staticmethod
    def _values(values: Iterator[dict[str, Any]], asked: Scenario) -> Iterator[dict[str, Any]]:
        for number, value in enumerate(values):
            yield value
            if "unknown-events" in asked:
                yield {"type": "sim.unknown", "news": "✓"}
            if "huge" in asked and number == 0:
                yield {"type": "sim.unknown", "news": "x" * (asked.number("huge", 30) * 1_000_000)}

    async def _end(self, ending: Ending, failure: dict[str, Any], told: dict[str, Any]) -> None:
        if ending.kind == "error-event":
            await self._say({"type": "error", "status": 500, **errors.openai(500), **told})
        elif ending.kind == "failed":
            await self._say(failure)
        elif ending.kind == "cut":
            await self._send({"type": "websocket.close", "code": 1000, "reason": "simulated"})
        elif ending.kind == "drop":
            self._connection.cut_off(rudely=False)
        elif ending.kind == "reset":
            self._connection.cut_off(rudely=True)
        else:
            await asyncio.Event().wait()

    async def _say(self, value: dict[str, Any]) -> None:
        await self._send({"type": "websocket.send", "text": script.as_json(value).decode()})
