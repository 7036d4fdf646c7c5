"""The MCP servers of a running server: made where some are configured, and only then is the SDK loaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager

from aigateway.app.sealing import keyring
from aigateway.settings.model import Settings, ToolLimits
from aigateway.settings.tools import ToolServerSettings
from aigateway.store.engine import Store
from aigateway.store.times import utc_now
from aigateway.telemetry.events import Events
from aigateway.tools.box import Servers
from aigateway.tools.credentials import Credentials, Tokens
from aigateway.tools.failures import NotLinked
from aigateway.tools.probe import Probed, probe
from aigateway.tools.service import ToolService


@asynccontextmanager
async def tooling(settings: Settings, store: Store, events: Events) -> AsyncIterator[ToolService]:
    """Run what the settings ask for.

    Raises:
        KeyUnusable: people link accounts, and the key for their tokens cannot be read or made.
    """
    configured = settings.tool_servers
    if not configured:
        yield ToolService()
        return
    from aigateway.tools.grants import HttpGrants  # noqa: PLC0415 - needed where servers are
    from aigateway.tools.linked import LinkedAccounts  # noqa: PLC0415

    keys = None
    if any(server.account for server in configured):
        embedded = settings.postgres_url is None
        keys = keyring(settings.external_token_encryption_keys, settings.data_dir, may_make=embedded)
    accounts = LinkedAccounts(configured, store, keys, HttpGrants(utc_now), utc_now)
    servers = await asyncio.to_thread(tool_servers, configured, settings.tools, accounts, events)
    accounts.changed = servers.forget
    servers.start()
    try:
        yield ToolService(servers, accounts)
    finally:
        await servers.stop()


def tool_servers(
    configured: Sequence[ToolServerSettings], limits: ToolLimits, tokens: Tokens, events: Events
) -> Servers:
    """Servers that are reached by the SDK, which is loaded here and takes its time."""
    from aigateway.tools.connection import connecting  # noqa: PLC0415 - slow to import
    from aigateway.tools.results import result_of  # noqa: PLC0415 - slow to import

    return Servers(
        configured,
        credentials=Credentials(tokens),
        connect=connecting(most=limits.max_result_size),
        result_of=result_of,
        ttl=limits.catalogue_ttl.total_seconds(),
        call_timeout=limits.call_timeout.total_seconds(),
        most=limits.max_result_size,
        events=events,
    )


class _OneToken:
    """The token of one account, which an operator gave for a test."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def current(self, user_id: str, server: ToolServerSettings, *, not_this: str = "") -> str:
        """That token, if there is one."""
        del user_id
        if not self._token or self._token == not_this:
            raise NotLinked(f"no token for {server.name} was given")
        return self._token


def probed(configured: Sequence[ToolServerSettings], limits: ToolLimits, token: str) -> Sequence[Probed]:
    """Ask servers what they offer, with a token at those that want accounts, or without one."""
    from aigateway.tools.connection import connecting  # noqa: PLC0415 - slow to import

    asking = probe(configured, Credentials(_OneToken(token)), connecting(most=limits.max_result_size))
    return asyncio.run(_all(asking))


async def _all(asking: Awaitable[Sequence[Probed]]) -> Sequence[Probed]:
    return await asking
