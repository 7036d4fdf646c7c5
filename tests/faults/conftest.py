from __future__ import annotations

import pytest

from aigateway.simulator.server import SimulatorThread
from tests.faults.crowd import providers_of
from tests.support.server import GatewayProcess, providers


@pytest.fixture(scope="session")
def simulated():
    with SimulatorThread(event_interval=0.002) as sim:
        yield sim


@pytest.fixture
def start(simulated, tmp_path):
    """Start servers; each has `data` under its own folder, and is stopped at the end if the test did not."""
    started = []

    def start(*args, name="gateway", **env):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        gateway = GatewayProcess(folder, providers(*providers_of(simulated.url)) | env, *args)
        started.append(gateway)
        gateway.start()
        return gateway

    yield start
    for gateway in started:
        gateway.__exit__()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "gateway" / "data" / "aigateway.sqlite3"
