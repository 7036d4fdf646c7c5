"""What the first page tells operators to see to: each thing when it is so, and nothing when all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aigateway.app.attention import notices
from aigateway.audit.journal import JournalUnavailable
from aigateway.providers.provider import build
from aigateway.providers.status import BreakerStatus, KeyStatus, ProviderStatus
from aigateway.settings.load import load
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret
from aigateway.store.engine import Store
from aigateway.store.ingest import apply
from aigateway.store.records import InterceptionEnd, InterceptionStart
from aigateway.store.times import rfc3339
from aigateway.tools.status import ServerStatus

ON = {"HOME": "/home/operator", "CODER_AI_GATEWAY_ENABLED": "true"}
UNTIL = datetime(2026, 1, 2, tzinfo=UTC)
GOOD_KEY, RESTING = KeyStatus("sk-a...0001", "valid", None), KeyStatus("sk-b...0002", "rate_limited", UNTIL)
WIKI = ServerStatus("wiki", "https://wiki.example.com/mcp", needs_account=False)
FAILING = replace(WIKI, reachable=False, error="it answered with HTTP status 502")
WELL, UNASKED = replace(WIKI, name="well", reachable=True), replace(WIKI, name="unasked")
CLOSED, OPEN = (BreakerStatus("/v1/messages", "sim", state, None) for state in ("closed", "open"))


class Journal:
    def __init__(self, waiting=0, rejected=0, broken=""):
        self.waiting, self.refused, self.broken = waiting, rejected, broken

    async def backlog(self):
        if self.broken:
            raise JournalUnavailable(self.broken)
        return self.waiting

    async def rejected(self):
        return self.refused


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


def services(
    store, *, journal=None, failing=False, unrecorded=0, keys=(GOOD_KEY,), breakers=(CLOSED,), provider=None, tools=()
):
    provider = provider or ProviderSettings(
        type=ProviderType.ANTHROPIC, name="it", base_url="https://a.example.com", keys=(Secret("sk-0001"),)
    )
    status = ProviderStatus("it", "anthropic", tuple(keys), tuple(breakers))
    return SimpleNamespace(
        store=store,
        journal=journal or Journal(),
        shipper=SimpleNamespace(failing=failing),
        records=SimpleNamespace(unrecorded=unrecorded),
        tools=SimpleNamespace(statuses=lambda: tools),
        providers={"it": build(provider)},
        provider_states=SimpleNamespace(statuses=lambda: [status]),
    )


async def told(services, env=ON, flags=None):
    return [f"{notice.what} {notice.todo}" for notice in await notices(load(flags or {}, env).settings, services)]


async def test_nothing_when_all_is_well(store):
    assert await told(services(store)) == []


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"breakers": (CLOSED, OPEN)}, "The provider it is overloaded or away."),
        ({"keys": (GOOD_KEY, RESTING)}, "1 of 2 keys of the provider it rest."),
        (
            {"journal": Journal(waiting=7), "failing": True},
            "7 entries wait in the journal, since the database is away.",
        ),
        ({"journal": Journal(waiting=5000)}, "5,000 entries wait in the journal. The database is slower"),
        ({"journal": Journal(rejected=2)}, "The database refused 2 entries of the record."),
        ({"journal": Journal(broken="disk full")}, "The journal cannot be used: disk full"),
        ({"tools": (FAILING, WELL, UNASKED)}, "The MCP server wiki cannot be used: it answered with HTTP status 502."),
        ({"unrecorded": 3}, "3 requests were served without being on record."),
    ],
)
async def test_what_is_wrong_is_told(store, state, says):
    [notice] = await told(services(store, **state))
    assert notice.startswith(says)


async def test_a_gateway_that_is_off_or_has_nothing_to_serve_is_told(store):
    assert (await told(services(store), env={"HOME": "/home/operator"}))[0].startswith("The gateway is not enabled.")
    without = services(store)
    without.providers = {}
    assert "No provider is configured." in (await told(without))[0]
    keyless = ProviderSettings(type=ProviderType.OPENAI, name="it", base_url="https://a.example.com", keys=())
    byok_off = {"--ai-gateway-allow-byok": ["false"]}
    assert "The provider it has no key." in (await told(services(store, provider=keyless), flags=byok_off))[0]


async def test_answers_that_could_not_be_read_lately_are_counted(store):
    def row(number, ago, **metadata):
        ident, at = f"00000000-0000-0000-0000-{number:012}", datetime.now(UTC) - ago
        start = InterceptionStart(
            interception_id=ident,
            initiator_id="00000000-0000-0000-0000-00000000000a",
            provider="openai",
            provider_name="openai",
            model="sim",
            client="Codex",
            credential_kind="centralized",
            credential_hint="",
            streaming=True,
            request_bytes=1,
            started_at=rfc3339(at),
            metadata=metadata,
        )
        return start, InterceptionEnd(interception_id=ident, ended_at=rfc3339(at), duration_ms=1, status_code=200)

    minute = timedelta(minutes=1)
    rows = [
        *row(1, minute, unreadable="not JSON"),
        *row(2, minute, user_agent='x"unreadable": "no"'),
        *row(3, 90 * minute, unreadable="long ago"),
        *row(4, minute),
    ]
    await store.write(apply, rows)
    [notice] = await told(services(store))
    assert notice.startswith("1 answers of the last hour could not be read whole.")
