from __future__ import annotations

import pytest

from aigateway.audit.journal import Journal
from aigateway.gateway.http1.transport import HttpTransport
from aigateway.simulator.server import Simulator
from tests.gateway.socket_stage import socket_stage
from tests.gateway.stage import Stage


@pytest.fixture
async def stage(tmp_path):
    journal = Journal(tmp_path / "journal")
    await journal.open()
    transport = HttpTransport(connect_timeout=5)
    async with Simulator(event_interval=0.001) as sim:
        yield Stage(journal, sim, transport)
    await transport.close()
    await journal.close()


@pytest.fixture
async def sockets(stage):
    async with socket_stage(stage) as served:
        yield served
