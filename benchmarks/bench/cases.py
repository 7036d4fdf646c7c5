"""What is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from benchmarks.bench.load import Order
from benchmarks.bench.plan import Plan

PATHS = {
    "chat": "openai/v1/chat/completions",
    "messages": "anthropic/v1/messages",
    "responses": "openai/v1/responses",
    "tls": "tls/v1/chat/completions",
}
"""The way to each API, behind the gateway's base path."""
_KB = 1024
_PIECES = 4
"""A stream that came in fewer was held back. A busy machine makes many meet, but not all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of work, and how much of it makes a round."""

    name: str
    says: str
    way: str = "chat"
    plan: Plan = field(default_factory=Plan)
    body: int = 300
    """Bytes of the request."""
    connections: int = 32
    requests: int
    few: int
    """The least of them, which the short form does."""
    rate: float = 0.0
    timed: bool = False
    """Whether its times are held against those without anybody in the way."""

    def order(self, port: int, token: str, *, part: float = 1.0) -> Order:
        """The order for the clients: so large a part of a round, but never less than a few requests."""
        plan = self.plan
        requests = max(self.few, round(self.requests * part))
        return Order(
            port=port,
            path=f"/api/v2/aibridge/{PATHS[self.way]}",
            headers={"authorization": f"Bearer {token}"},
            body=body(self.way, plan, self.body),
            connections=min(self.connections, requests),
            requests=requests,
            rate=self.rate,
            timed=bool(plan.events) and not plan.gzip,
            stagger=plan.events * plan.interval_ms / 1000,
            pieces=_PIECES if plan.interval_ms else 0,
        )


def body(way: str, plan: Plan, size: int) -> str:
    """A request of about this many bytes; a large one is a conversation of an agent."""
    api = "chat" if way == "tls" else way
    asked: dict[str, Any] = {"model": plan.model, "stream": bool(plan.events)}
    if api == "messages":
        asked["max_tokens"] = 1000
    if api == "chat" and plan.events:
        asked["stream_options"] = {"include_usage": True}
    name = "input" if api == "responses" else "messages"
    last = {"role": "user", "content": "Please mend the build, and say what was wrong."}
    pair = [
        {"role": "user", "content": "Look at this file.\n" + _FILE},
        {"role": "assistant", "content": "It looks right to me, up to line 12."},
    ]
    pairs = max(0, size - len(json.dumps(asked | {name: [last]}))) // len(json.dumps(pair))
    padding = max(0, size - len(json.dumps(asked | {name: [*pair * pairs, last]})))
    last["content"] += " " * min(padding, 1) + "x" * (padding - 1)
    return json.dumps(asked | {name: [*pair * pairs, last]})


_FILE = "def mend(build):\n    return [step for step in build if step.ok]\n" * 60
_WIDE = Plan(events=60, interval_ms=20)

CASES = (
    Case(name="small", says="300 B, answered by 1 KB of JSON", requests=6000, few=400),
    Case(name="large", says="200 KB, answered by 1 KB", body=200 * _KB, connections=16, requests=1200, few=60),
    Case(name="10 MB", says="10 MB, answered by 1 KB", body=10240 * _KB, connections=2, requests=30, few=2, timed=True),
    Case(name="wide", says="60 events 20 ms apart, 190 at once", plan=_WIDE, connections=190, requests=570, few=60),
    Case(name="wider", says="the same, 256 at once", plan=_WIDE, connections=256, requests=768, few=30),
    Case(
        name="messages",
        says="the same of Anthropic's Messages, 128 at once",
        way="messages",
        plan=_WIDE,
        connections=128,
        requests=384,
        few=20,
    ),
    Case(
        name="responses",
        says="the same of OpenAI's Responses, 128 at once",
        way="responses",
        plan=_WIDE,
        connections=128,
        requests=384,
        few=20,
    ),
    Case(name="burst", says="60 events at once", plan=Plan(events=60), connections=16, requests=1500, few=60),
    Case(name="gzip", says="as small, answered by compressed JSON", plan=Plan(gzip=True), requests=4000, few=200),
    Case(
        name="gzip stream",
        says="as wide, compressed, 128 at once",
        plan=Plan(events=60, interval_ms=20, gzip=True),
        connections=128,
        requests=384,
        few=20,
    ),
    Case(name="tls small", says="as small, TLS to the upstream", way="tls", requests=4000, few=200),
    Case(
        name="tls wide",
        says="as wide, TLS to the upstream, 128 at once",
        way="tls",
        plan=_WIDE,
        connections=128,
        requests=384,
        few=20,
    ),
    Case(name="rate", says="as small, 200 a second", connections=64, requests=1200, few=100, rate=200.0, timed=True),
    Case(
        name="stream",
        says="60 events 20 ms apart, 12 at once",
        plan=_WIDE,
        connections=12,
        requests=60,
        few=12,
        timed=True,
    ),
)
