"""A data plane on a stage: real relay, journal and HTTP client in front of a simulated provider, and an ASGI client
that can leave when it wants."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from aigateway.accounts.actor import Actor
from aigateway.app.observing import Observing
from aigateway.audit.journal import Journal
from aigateway.audit.recorder import Recorder
from aigateway.gateway.admit import Admitter
from aigateway.gateway.breakers import Breakers
from aigateway.gateway.client import BodyTooLarge
from aigateway.gateway.endpoint import Endpoint
from aigateway.gateway.exchange import Exchange
from aigateway.gateway.head import Head
from aigateway.gateway.http1.transport import HttpTransport
from aigateway.gateway.inflight import InFlight
from aigateway.gateway.intercept import Interceptor
from aigateway.gateway.passthrough import PassThrough
from aigateway.gateway.upstream import Upstream
from aigateway.providers.actor_headers import ActorHeaders
from aigateway.store.engine import StoreUnavailable
from aigateway.store.records import InterceptionEnd, InterceptionStart, PromptUsage, TokenUsage
from tests.providers.making import provider

TOKEN = "abcdefghij-abcdefghijklmnopqrstuv"
OTHER = "zyxwvutsrq-abcdefghijklmnopqrstuv"
ALICE = Actor("11111111-1111-4111-8111-111111111111", "alice", "alice@example.com", "abcdefghij", frozenset())

CHAT = {
    "model": "sim",
    "messages": [{"role": "user", "content": "Hello there"}],
    "stream_options": {"include_usage": True},
}
MESSAGES = {"model": "sim", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello there"}]}
RESPONSES = {"model": "sim", "input": "Hello there"}


class Tokens:
    """Knows one person."""

    def __init__(self):
        self.away = False

    def known(self, key_id, shown):
        """Nobody, without waiting."""

    async def authenticate(self, token):
        if self.away:
            raise StoreUnavailable("away")
        return ALICE if token == TOKEN else None


@dataclass
class Answer:
    """What a client got."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    complete: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def body(self):
        return b"".join(self.pieces)

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]


class Client:
    """One request of a client; see `aigateway.gateway.client`."""

    def __init__(self, app, method, path, headers, body, *, query=b"", on_piece=None):
        self.app = app
        self.answer = Answer()
        self.gone = Gone()
        self.on_piece = on_piece
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.head = Head(method, path.encode(), path, query, sent)
        self._body = body
        self._written = []
        self._looking = None

    def body_at_hand(self, most):
        """Never, so that it is waited for."""

    async def body(self, most):
        if len(self._body) > most:
            raise BodyTooLarge
        return self._body

    def when_gone(self, tell):
        self.gone.tell = tell

    def begin(self, status, headers):
        if self.gone.is_set():
            return
        assert not self.answer.started.is_set()
        self.answer.status = status
        self.answer.headers = {name.decode(): value.decode() for name, value in headers}
        self.answer.started.set()

    def end(self, piece=b""):
        assert not self._written
        if self.gone.is_set():
            return
        assert self.answer.started.is_set()
        assert not self.answer.complete
        if piece:
            self.answer.pieces.append(piece)
            if self.on_piece:
                self._looking = asyncio.ensure_future(self.on_piece(self))
        self.answer.complete = True

    def write(self, piece):
        """Always slow, so that each piece is waited for."""
        if piece:
            self._written.append(piece)
        return not self._written

    def flush(self):
        assert self.answer.started.is_set() or self.gone.is_set()

    async def drained(self):
        written, self._written = self._written, []
        for piece in written:
            if self.gone.is_set():
                return
            self.answer.pieces.append(piece)
            if self.on_piece:
                await self.on_piece(self)

    async def run(self):
        self.task = asyncio.current_task()
        await self.app.serve(self)
        if self._looking is not None:
            await self._looking
        return self.answer


class Gone:
    """That the client is gone."""

    def __init__(self):
        self.tell = None
        self._set = False

    def is_set(self):
        return self._set

    def set(self):
        self._set = True
        if self.tell is not None:
            self.tell()


class Stage:
    """Made by the `stage` fixture."""

    def __init__(self, journal: Journal, sim, transport: HttpTransport):
        self.journal = journal
        self.sim = sim
        self.tokens = Tokens()
        self.admitter = Admitter(None, 1024 * 1024)
        self.in_flight = InFlight()
        self.transport = transport
        self.providers = {
            "openai": provider("openai", base_url=f"{sim.url}/v1"),
            "anthropic": provider("anthropic", base_url=sim.url),
            "copilot": provider("copilot", base_url=sim.url, keys=()),
        }
        self.allow_byok = True
        self.first_byte_timeout = 20.0
        self.idle_timeout = 20.0
        self.actor_headers = ActorHeaders()
        self.dumps = None
        self.rate_limiter = None
        self.observing = Observing(None, None)
        self.when_client_gone = Exchange.give_up
        self.breakers = Breakers()
        self.inner = None

    @property
    def app(self):
        watched = self.observing
        upstream = Upstream(
            watched.transport(self.transport),
            first_byte_timeout=self.first_byte_timeout,
            idle_timeout=self.idle_timeout,
            events=watched.events,
        )
        interceptor = Interceptor(
            recorder=watched.recorder(Recorder(self.journal)),
            upstream=upstream,
            in_flight=self.in_flight,
            max_body_size=self.admitter.max_body_size,
            actor_headers=self.actor_headers,
            dumps=self.dumps,
            breakers=self.breakers,
            when_client_gone=self.when_client_gone,
            inner=self.inner,
        )
        pass_through = PassThrough(
            upstream=upstream, in_flight=self.in_flight, actor_headers=self.actor_headers, dumps=self.dumps
        )
        return Endpoint(
            providers=self.providers,
            admitter=self.admitter,
            authenticator=self.tokens,
            interceptor=watched.interceptor(interceptor),
            pass_through=watched.pass_through(pass_through),
            allow_byok=self.allow_byok,
            rate_limiter=self.rate_limiter,
        )

    def client(self, path, payload=None, *, method="POST", headers=None, body=None, query=b"", on_piece=None, sim=None):
        sent = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        if sim:
            sent["x-sim-scenario"] = sim
        sent |= headers or {}
        if body is None:
            body = json.dumps(payload).encode() if payload is not None else b""
        sent = {name: value for name, value in sent.items() if value is not None}
        return Client(self.app, method, f"/api/v2/aibridge/{path}", sent, body, query=query, on_piece=on_piece)

    async def ask(self, path, payload=None, **options):
        async with asyncio.timeout(30):
            return await self.client(path, payload, **options).run()

    async def records(self):
        return [record for entry in await self.journal.entries(10_000) for record in entry.records]

    async def record(self):
        """The one interception: its start, its end, and its prompts and usages."""
        records = await self.records()
        (begun,) = [r for r in records if isinstance(r, InterceptionStart)]
        (ended,) = [r for r in records if isinstance(r, InterceptionEnd)]
        prompts = [r for r in records if isinstance(r, PromptUsage)]
        usages = [r for r in records if isinstance(r, TokenUsage)]
        return begun, ended, prompts, usages
