"""The simulated provider as a plain ASGI application: receive, record, decide, answer."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import msgspec

from aigateway.simulator import chat, delivery, errors, messages, models, responses, scenario, script
from aigateway.simulator.connection import Connection
from aigateway.simulator.received import ReceivedRequest
from aigateway.simulator.scenario import Ending, Scenario
from aigateway.simulator.sockets import Sockets

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PREFIX = re.compile(r"^(?:/openai)?(?:/v1)?(?=/)")
_INTERCEPTED = {"/chat/completions": chat, "/responses": responses, "/messages": messages}
_ACCEPTED = {"/api/event_logging/batch", "/api/hello"}


class App:
    """Answers every request from its body and its scenario; remembers the last `keep` requests."""

    def __init__(self, *, event_interval: float, keep: int) -> None:
        self.requests: deque[ReceivedRequest] = deque(maxlen=keep)
        self.planned: deque[str] = deque()
        self._event_interval = event_interval
        self._sockets = Sockets(self.requests, self.planned, event_interval)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request, or one WebSocket."""
        if scope["type"] == "websocket":
            await self._sockets.serve(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            return
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        request = ReceivedRequest(scope["method"], f"{path}?{query}" if query else path, tuple(scope["headers"]), body)
        self.requests.append(request)
        connection = Connection(scope["state"]["transport"], receive, send)
        await self._answer(request, _PREFIX.sub("", path), connection)
        request.outcome = "broken" if connection.broken else "client_gone" if connection.closing else "answered"

    async def _answer(self, request: ReceivedRequest, path: str, connection: Connection) -> None:
        anthropic = path.startswith("/messages") or request.header("anthropic-version") is not None
        provider = _Provider(request, anthropic=anthropic)
        if request.method in {"GET", "HEAD"} and (path == "/models" or path.startswith("/models/")):
            listed = models.answer(path.removeprefix("/models").strip("/"), anthropic=anthropic)
            await connection.json(*((200, listed) if listed else provider.error(404)), provider.headers)
            return
        if path in _ACCEPTED:
            await connection.json(200, {}, provider.headers)
            return
        known = path in _INTERCEPTED or path in {"/messages/count_tokens", "/responses/compact"}
        if not known or request.method != "POST":
            await connection.json(*provider.error(405 if known else 404), provider.headers)
            return
        try:
            wish = self.planned.popleft() if self.planned else request.header(scenario.HEADER)
            await self._complete(request, path, wish, provider, connection)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            await connection.json(*provider.error(400, f"We could not read the request: {error}"), provider.headers)

    async def _complete(
        self, request: ReceivedRequest, path: str, wish: str | None, provider: _Provider, connection: Connection, /
    ) -> None:
        plain = delivery.decode(request.body, request.header("content-encoding") or "")
        body = msgspec.json.decode(plain, type=dict[str, Any])
        api = _INTERCEPTED.get(path) or (messages if path.startswith("/messages") else responses)
        ask = api.read(body)
        asked = scenario.find(wish, ask.text)
        if asked.status is not None:
            await _refuse(asked.status, asked.retry_after, provider, connection)
            return
        if api is chat and "stream_options" in body:
            plain = script.as_json({key: value for key, value in body.items() if key != "stream_options"})
        answer = script.write(ask, asked, plain)
        if path == "/messages/count_tokens":
            await connection.json(200, {"input_tokens": len(plain) // 4}, provider.headers)
        elif path == "/responses/compact":
            await connection.json(200, responses.compaction(answer), provider.headers)
        elif ask.stream:
            stream = _Stream(delivery.disturb(api.events(answer, body), asked), asked, self._event_interval)
            failure = _failure(api, answer, body, provider, asked)
            await stream.play(connection, provider.headers, failure)
        else:
            await _whole(script.as_json(api.whole(answer, body)), asked, provider.headers, connection)


class _Provider:
    """The headers and errors of the provider whose API was called."""

    def __init__(self, request: ReceivedRequest, *, anthropic: bool) -> None:
        self._anthropic = anthropic
        self._request_id = f"req_{request.sha256[:24]}"
        self.headers: list[tuple[bytes, bytes]] = [
            (b"request-id" if anthropic else b"x-request-id", self._request_id.encode()),
            (b"server", b"simulator"),
            (b"alt-svc", b'h3=":443"; ma=86400'),
            (b"set-cookie", b"__sim=1; path=/; HttpOnly"),
            *(_ANTHROPIC_HEADERS if anthropic else _OPENAI_HEADERS),
        ]

    def error(self, status: int, message: str | None = None) -> tuple[int, dict[str, Any]]:
        if self._anthropic:
            return status, errors.anthropic(status, self._request_id, message)
        return status, errors.openai(status, message)


_OPENAI_HEADERS = (
    (b"openai-version", b"2020-10-01"),
    (b"openai-organization", b"simulated"),
    (b"openai-processing-ms", b"12"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
)
_ANTHROPIC_HEADERS = (
    (b"anthropic-organization-id", b"00000000-0000-4000-8000-000000000000"),
    (b"anthropic-ratelimit-requests-limit", b"10000"),
    (b"anthropic-ratelimit-requests-remaining", b"9999"),
)


class _Stream:
    """Server-sent events on their way, up to the end that the scenario wants."""

    def __init__(self, pieces: Iterator[bytes], asked: Scenario, interval: float) -> None:
        self._pieces = pieces
        self._ending = asked.ending
        self._encoder = delivery.encoder(asked.encoding) if asked.encoding else None
        self._coding = asked.encoding
        self._interval = asked.number("slow", 200) / 1000 if "slow" in asked else interval

    async def play(self, connection: Connection, headers: list[tuple[bytes, bytes]], failure: bytes) -> None:
        """Send the stream; `failure` is the event that an `error-event` or `failed` ending sends."""
        ending = self._ending
        if ending is not None and ending.after == 0 and await _break_off(connection, ending):
            return
        coding = [(b"content-encoding", self._coding.encode())] if self._coding else []
        kind = (b"content-type", b"text/event-stream; charset=utf-8")
        await connection.start(200, [kind, (b"cache-control", b"no-cache"), *coding, *headers])
        for number, piece in enumerate(self._pieces):
            if ending is not None and number == ending.after:
                if ending.kind in {"error-event", "failed"}:
                    await self._send(connection, failure)
                elif await _break_off(connection, ending):
                    return
                break
            if self._interval and number:
                await asyncio.sleep(self._interval)
            await self._send(connection, piece)
            if connection.closing:
                return
        await connection.end(self._encoder.end() if self._encoder else b"")

    async def _send(self, connection: Connection, piece: bytes) -> None:
        await connection.send(self._encoder(piece) if self._encoder else piece)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away while sending it."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _refuse(status: int, retry_after: int, provider: _Provider, connection: Connection) -> None:
    headers = list(provider.headers)
    if status in {429, 503}:
        headers.append((b"retry-after", str(retry_after).encode()))
    if status == 502:
        await connection.whole(502, errors.HTML, [(b"content-type", b"text/html"), *headers])
    else:
        await connection.json(*provider.error(status), headers)


def _failure(api: Any, answer: script.Answer, body: dict[str, Any], provider: _Provider, asked: Scenario) -> bytes:
    if asked.ending is not None and asked.ending.kind == "failed" and api is responses:
        return responses.failed_event(answer, body)
    event: bytes = api.error_event(answer, provider.error(529 if api is messages else 500)[1])
    return event


async def _whole(body: bytes, asked: Scenario, headers: list[tuple[bytes, bytes]], connection: Connection) -> None:
    """Send a JSON answer, or as much of it as the scenario wants (half, when it breaks off after N > 0)."""
    headers = [(b"content-type", b"application/json"), *headers]
    if asked.encoding:
        encode = delivery.encoder(asked.encoding)
        body = encode(body) + encode.end()
        headers.append((b"content-encoding", asked.encoding.encode()))
    if "slow" in asked:
        await asyncio.sleep(asked.number("slow", 200) / 1000)
    ending = asked.ending
    if ending is None or ending.kind in {"error-event", "failed"}:
        await connection.whole(200, body, headers)
        return
    if ending.kind == "cut":
        await connection.whole(200, body[: len(body) // 2], headers)
        return
    if ending.after:
        await connection.start(200, [*headers, (b"content-length", str(len(body)).encode())])
        await connection.send(body[: len(body) // 2])
    await _break_off(connection, ending)


async def _break_off(connection: Connection, ending: Ending) -> bool:
    """Do what the ending wants; False when it leaves the connection in order (`cut`)."""
    if ending.kind == "hang":
        await connection.hang()
    elif ending.kind == "reset":
        await connection.reset()
    elif ending.kind == "drop":
        await connection.drop()
    else:
        return False
    return True
