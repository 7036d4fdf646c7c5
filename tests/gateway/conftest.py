from __future__ import annotations

import pytest

from aigateway.audit.journal import Journal
from aigateway.gateway.aiohttp_transport import AiohttpTransport
from aigateway.simulator.server import Simulator
from tests.gateway.stage import Stage


@pytest.fixture
async def stage(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3")
    await journal.open()
    transport = AiohttpTransport(connect_timeout=5)
    async with Simulator(event_interval=0.001) as sim:
        yield Stage(journal, sim, transport)
    await transport.close()
    await journal.close()
