from __future__ import annotations

import pytest
from openai import OpenAI

from aigateway.simulator import Simulator, SimulatorThread


def test_a_thread_serves_synchronous_callers():
    with SimulatorThread(event_interval=0) as simulator, OpenAI(base_url=f"{simulator.url}/v1", api_key="k") as client:
        models = client.models.list()
        assert client.models.retrieve("gpt-5.5").id == "gpt-5.5"
    assert "gpt-5.5" in [model.id for model in models.data]
    assert [request.method for request in simulator.requests] == ["GET", "GET"]


def test_a_thread_that_cannot_listen_says_why():
    with SimulatorThread() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            SimulatorThread(port=port).__enter__()


async def test_it_can_run_twice_in_one_loop():
    async with Simulator() as one, Simulator() as two:
        assert one.url != two.url
