"""A provider whose every answer a test decides, by the credential that it is shown."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.gateway.socket_stage import served

CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "sim",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}
MESSAGES_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "sim",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 3},
}


@dataclass
class Say:
    """One answer."""

    status: int = 200
    body: bytes | dict = field(default_factory=lambda: CHAT_ANSWER)
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self):
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    def json(self):
        return json.loads(self.body)


class Scripted:
    """Made by `scripted`: `by_key` answers for a key, `answers` in turn, then `default`."""

    def __init__(self):
        self.url = ""
        self.by_key = {}
        self.answers = []
        self.default = Say()
        self.asked = []

    @property
    def keys(self):
        """The keys that were shown, in order."""
        return [asked.key for asked in self.asked]

    async def handle(self, request):
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path_qs, headers, await request.read())
        self.asked.append(asked)
        say = self.by_key.get(asked.key) or (self.answers.pop(0) if self.answers else self.default)
        body = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
        if say.content_type != "text/event-stream":
            return web.Response(body=body, status=say.status, headers=say.headers, content_type=say.content_type)
        answer = web.StreamResponse(status=say.status, headers={"content-type": "text/event-stream", **say.headers})
        await answer.prepare(request)
        for piece in body.splitlines(keepends=True):
            await answer.write(piece)
        await answer.write_eof()
        return answer


@asynccontextmanager
async def scripted():
    """Serve it."""
    provider = Scripted()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", provider.handle)
    async with served(application) as url:
        provider.url = url
        yield provider


RATE_LIMITED = Say(429, {"error": {"message": "slow down", "type": "rate_limit_error"}}, {"retry-after": "7"})
REFUSED = Say(401, {"error": {"message": "bad key", "type": "authentication_error"}})
OVERLOADED = Say(503, {"error": {"message": "too many", "type": "server_error"}})
