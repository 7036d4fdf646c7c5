"""A month of an invented team, for pictures and for tests of what people look for."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import (
    AnyRecord,
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.store.times import rfc3339
from tests.support.server import GatewayProcess

PEOPLE = {
    "ben": "Ben Okafor",
    "chloe": "Chloé Martin",
    "dmitri": "Dmitri Petrov",
    "emeka": "Emeka Obi",
    "fatima": "Fatima Zahra",
    "ci-runner": "",
}
SESSION = "6f1d1c5e-3f0a-4a57-9a55-0c9f6d0f3b11"
MONDAYS = "Why does the nightly build fail on Mondays?"
"""The prompt of the session that is told whole."""

_ASKED = (
    "Rename the column created to created_at in every query",
    "Add a test for the retry that gives up too early",
    "Explain what this regular expression does",
    "The export is empty when the name has an umlaut. Find out why.",
    "Write a migration that adds an index to orders without blocking writers",
    "Make the settings page usable with a keyboard",
    "Review this change and look for races",
    "Which of these three queries is slow, and why?",
    "Translate the error messages into French",
    "Split this module: it has grown past 600 lines",
    "Draft release notes from the commits since the last tag",
    "Find out why the pods restart every night at two",
)
CLIENTS = (
    ("Claude Code", "anthropic", "anthropic", "claude-sonnet-5"),
    ("Claude Code", "anthropic", "anthropic", "claude-opus-5"),
    ("Codex", "openai", "openai", "gpt-5.5"),
    ("OpenCode", "openai", "azure-openai", "gpt-5.5-mini"),
    ("Zed", "anthropic", "anthropic", "claude-sonnet-5"),
)
_TOOLS = (
    ("Read", {"file_path": "src/orders/export.py", "limit": 200}),
    ("Grep", {"pattern": "created\\b", "glob": "**/*.sql"}),
    ("Bash", {"command": "pytest -q tests/orders", "timeout": 120000}),
    ("Edit", {"file_path": "src/orders/export.py", "old_string": "ascii", "new_string": "utf-8"}),
)


def tell(gateway: GatewayProcess) -> dict[str, str]:
    """Put the story on a gateway's record, as of now; the ids of its people, by username."""
    people = {"ada": gateway.api.get("users", "me")["id"]}
    for username, name in PEOPLE.items():
        service = username.startswith("ci-")
        account = {"username": username, "name": name, "password": "" if service else "correct horse battery"}
        contact = {"service_account": True} if service else {"email": f"{username}@example.com"}
        people[username] = gateway.api.call("POST", "users", body=account | contact)["id"]
    write(gateway, list(_everything(people, datetime.now(UTC))))
    return people


def write(gateway: GatewayProcess, records: list[AnyRecord]) -> None:
    """Put records where the gateway's own go."""

    async def written(database: Path) -> None:
        store = await Store.open(f"sqlite:///{database}")
        try:
            await store.write(apply, records)
        finally:
            await store.close()

    # A thread of its own, since Playwright's loop runs in the one that tests are in.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, written(gateway.folder / "data" / "aigateway.sqlite3")).result()


class Teller:
    """Makes the records of one session, one interception after the other."""

    def __init__(self, session: str, user: str, client: tuple[str, str, str, str], start: datetime) -> None:
        self._session = session
        self._user = user
        self._client = client
        self._answers: str | None = None
        self.now = start
        self._number = 0

    def ask(
        self,
        *,
        prompt: str = "",
        thoughts: tuple[str, ...] = (),
        tools: tuple[dict[str, object], ...] = (),
        tokens: tuple[int, int, int] = (1200, 340, 9000),
        seconds: float = 4.0,
        end: dict[str, object] | None = None,
        metadata: dict[str, object] | None = None,
    ) -> Iterator[AnyRecord]:
        """One interception. After one with tools, the next answers the last of them, and again after a failure."""
        self._number += 1
        ident = _uuid(self._session, self._number)
        client, kind, provider, model = self._client
        told = {"interception_id": ident, "msg_id": f"msg_{ident[:8]}", "created_at": rfc3339(self.now)}
        yield InterceptionStart(
            interception_id=ident,
            initiator_id=self._user,
            provider=kind,
            provider_name=provider,
            model=model,
            client=client,
            client_session_id=self._session,
            correlating_tool_call_id=None if prompt else self._answers,
            credential_kind="centralized",
            credential_hint="sk-...4f2a",
            streaming=True,
            request_bytes=48_213 + 1931 * self._number,
            started_at=rfc3339(self.now),
            metadata={"request_user_agent": f"{client.lower().replace(' ', '-')}/2.1.0", **(metadata or {})},
        )
        if prompt:
            yield PromptUsage(id=_uuid(ident, "prompt"), prompt=prompt, **told)
        for place, text in enumerate(thoughts):
            yield ModelThought(id=_uuid(ident, "thought", place), content=text, **told)
        if end is None:
            self._answers = None
        for place, tool in enumerate(tools):
            self._answers = f"toolu_{_uuid(ident, 'call', place)[:12]}"
            shown = {"input": json.dumps(tool["input"], ensure_ascii=False)}
            yield ToolUsage(id=_uuid(ident, "tool", place), tool_call_id=self._answers, **told | tool | shown)
        failed = end is not None
        if not failed:
            put, out, read = tokens
            yield TokenUsage(
                id=_uuid(ident, "tokens"), input_tokens=put, output_tokens=out, cache_read_input_tokens=read, **told
            )
        self.now += timedelta(seconds=seconds)
        yield InterceptionEnd(
            interception_id=ident,
            ended_at=rfc3339(self.now),
            duration_ms=int(seconds * 1000),
            time_to_first_byte_ms=int(min(seconds, 0.9) * 640),
            response_bytes=18_000,
            **{"status_code": 200} | (end or {}),
        )
        self.now += timedelta(seconds=2)


def _everything(people: dict[str, str], now: datetime) -> Iterator[AnyRecord]:
    dice = random.Random(7)
    names = list(people)
    for day in range(30, -1, -1):
        date = now - timedelta(days=day)
        busy = 2 if date.weekday() > 4 else 7
        for number in range(dice.randint(busy, busy + 4)):
            start = date.replace(hour=dice.choice((7, 8, 9, 9, 10, 11, 13, 14, 14, 15, 16)), minute=dice.randint(0, 59))
            if start < now - timedelta(minutes=10):
                who = people[dice.choice(names)]
                yield from _small(Teller(_uuid("day", day, number), who, dice.choice(CLIENTS), start), dice)
    for number, minutes in enumerate((220, 150, 95, 50, 31, 12)):
        who = people[names[number % len(names)]]
        yield from _small(
            Teller(_uuid("today", number), who, CLIENTS[number % 5], now - timedelta(minutes=minutes)), dice
        )
    yield from mondays(people["chloe"], now - timedelta(minutes=7))


def _small(teller: Teller, dice: random.Random) -> Iterator[AnyRecord]:
    for _ in range(dice.randint(1, 3)):
        tool, given = dice.choice(_TOOLS)
        size = (dice.randint(300, 4000), dice.randint(90, 1500), dice.randint(0, 40_000))
        calls = ({"tool": tool, "input": given},)
        yield from teller.ask(prompt=dice.choice(_ASKED), tools=calls, tokens=size, seconds=dice.uniform(1, 9))
        for _ in range(dice.randint(0, 4)):
            tool, given = dice.choice(_TOOLS)
            yield from teller.ask(tools=({"tool": tool, "input": given},), tokens=size, seconds=dice.uniform(1, 6))
        if dice.random() < 0.07:
            over = {"status_code": 429, "error_type": "rate_limit_error", "error_message": "Rate limit reached."}
            yield from teller.ask(seconds=0.3, end=over)
        yield from teller.ask(tokens=size, seconds=dice.uniform(2, 12))
        teller.now += timedelta(minutes=dice.randint(1, 6))


def mondays(user: str, start: datetime) -> Iterator[AnyRecord]:
    """One session whole: prompts, thoughts, tools of the client's and of a server's, a failure, what came of it."""
    teller = Teller(SESSION, user, CLIENTS[0], start)
    yield from teller.ask(prompt="nightly build", metadata={"purpose": "title"}, seconds=1.1, tokens=(310, 12, 0))
    yield from teller.ask(
        prompt=f"{MONDAYS} It is green on every other day. Look at the log of the last run first, please.",
        thoughts=(
            "It comes back weekly, so something with a date, or a cache that expires. The log says which step it was.",
        ),
        tools=({"tool": "Bash", "input": {"command": "gh run view 4711 --log-failed | tail -n 80", "limit": 60}},),
        tokens=(2140, 310, 18_400),
        seconds=6.4,
    )
    yield from teller.ask(
        thoughts=("“certificate has expired” in the step that fetches the test data. Is there a ticket about it?",),
        tools=(
            {
                "tool": "issue_search",
                "input": {"query": "nightly AND certificate", "project": "BUILD", "limit": 5},
                "server_url": "https://mcp.example.com/issues",
                "injected": True,
            },
            {"tool": "Read", "input": {"file_path": ".github/workflows/nightly.yml"}},
        ),
        tokens=(880, 204, 21_300),
        seconds=3.8,
    )
    over = {"status_code": 529, "error_type": "overloaded", "error_message": "Overloaded"}
    yield from teller.ask(seconds=0.4, end=over)
    yield from teller.ask(
        thoughts=("BUILD-212: the mirror's certificate is renewed on Monday at six, and the build runs at five.",),
        tools=(
            {
                "tool": "Edit",
                "input": {
                    "file_path": ".github/workflows/nightly.yml",
                    "old_string": "- cron: '0 5 * * *'",
                    "new_string": "- cron: '0 7 * * *'",
                },
            },
        ),
        tokens=(640, 260, 24_800),
        seconds=4.9,
    )
    yield from teller.ask(tokens=(220, 412, 25_900), seconds=7.2)
    teller.now += timedelta(minutes=1)
    yield from teller.ask(
        prompt="Good. Comment on the ticket, and say that the build runs after the renewal now.",
        tools=(
            {
                "tool": "issue_comment",
                "input": {"issue": "BUILD-212", "body": "The nightly build runs at seven now, after the renewal."},
                "server_url": "https://mcp.example.com/issues",
                "injected": True,
                "invocation_error": "403: this account may not comment",
            },
        ),
        tokens=(300, 96, 26_400),
        seconds=2.7,
    )
    yield from teller.ask(tokens=(180, 150, 26_900), seconds=3.1)


def _uuid(*parts: object) -> str:
    return str(UUID(int=random.Random("/".join(map(str, parts))).getrandbits(128), version=4))
