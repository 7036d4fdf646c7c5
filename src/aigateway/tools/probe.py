"""Asking servers what they offer, once, for an operator who wants to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aigateway.settings.tools import ToolServerSettings
from aigateway.tools.choosing import NOTHING, Choice, choose
from aigateway.tools.credentials import Credentials
from aigateway.tools.failures import NotLinked, ServerFailed
from aigateway.tools.session import LIST_SECONDS, Connect

_ANYBODY = "whoever asks"


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it."""

    server: ToolServerSettings
    choice: Choice
    failure: str
    """Why there is nothing, the end of a sentence about the server; empty when it answered."""
    wants_account: bool
    """The server is there, and answers nobody without an account."""
    seconds: float


async def probe(servers: Sequence[ToolServerSettings], credentials: Credentials, connect: Connect) -> Sequence[Probed]:
    """Ask all servers at once."""
    return await asyncio.gather(*(_probe(server, credentials, connect) for server in servers))


async def _probe(server: ToolServerSettings, credentials: Credentials, connect: Connect) -> Probed:
    began = time.monotonic()
    choice, failure, wants_account = NOTHING, "", False
    try:
        headers = await credentials.headers(_ANYBODY, server)
    except NotLinked:
        headers, wants_account = {}, True
    connection = connect(server.url, headers, _look_away)
    try:
        async with asyncio.timeout(LIST_SECONDS):
            choice = choose(server, await connection.list_tools())
        wants_account = False
    except TimeoutError:
        failure = f"it did not answer within {LIST_SECONDS:g} s"
    except ServerFailed as error:
        failure = str(error)
        wants_account = wants_account and error.forbids
    finally:
        await connection.close()
    return Probed(server, choice, failure, wants_account, time.monotonic() - began)


def _look_away() -> None:
    """A change of tools is of no interest here."""
