"""A running server finds what went through it."""

from __future__ import annotations

import json
import urllib.request

from aigateway.simulator.server import SimulatorThread
from tests.support.server import GatewayProcess, providers
from tests.support.waiting import wait_until


def ask(gateway, prompt):
    body = json.dumps({"model": "sim", "messages": [{"role": "user", "content": prompt}]}).encode()
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{gateway.base}/openai/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def test_what_was_asked_is_found_also_by_the_server_that_starts_after_a_kill(tmp_path):
    with SimulatorThread() as sim:
        env = providers({"TYPE": "openai", "KEY": "sk-central-0123456789", "BASE_URL": f"{sim.url}/v1"})
        with GatewayProcess(tmp_path, env) as gateway:
            ask(gateway, "Where is the plugh?")
            wait_until(lambda: gateway.interceptions("text:plugh"))
            ask(gateway, "Where is the xyzzy?")
            gateway.kill()
            gateway.start()
            wait_until(lambda: gateway.interceptions("text:xyzzy"))
            assert len(gateway.interceptions('text:"where is the"')) == 2
            assert gateway.stop() == 0
