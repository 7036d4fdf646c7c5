"""A simulated provider, and gateways in front of it, for the whole session."""

from __future__ import annotations

import pytest

from aigateway.simulator import SimulatorThread
from tests.support.server import GatewayProcess, free_port, providers

OPENAI_KEY = "sk-canary-openai-0123456789abcdef"
ANTHROPIC_KEY = "sk-ant-canary-0123456789abcdef"


@pytest.fixture(scope="session")
def simulator():
    with SimulatorThread(event_interval=0.001, keep=64) as running:
        yield running


def configured(url):
    return providers(
        {"TYPE": "openai", "KEY": OPENAI_KEY, "BASE_URL": f"{url}/v1"},
        {"TYPE": "anthropic", "KEY": ANTHROPIC_KEY, "BASE_URL": url},
        {"TYPE": "openai", "NAME": "chatgpt", "BASE_URL": f"{url}/v1"},
        {"TYPE": "openai", "NAME": "dead", "KEY": OPENAI_KEY, "BASE_URL": f"http://127.0.0.1:{free_port()}/v1"},
        {"TYPE": "anthropic", "NAME": "dead-anthropic", "KEY": "k", "BASE_URL": f"http://127.0.0.1:{free_port()}"},
    )


@pytest.fixture(scope="session")
def gateway(simulator, tmp_path_factory):
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), configured(simulator.url)) as running:
        yield running


@pytest.fixture(scope="session")
def strict_gateway(simulator, tmp_path_factory):
    """Little patience, small bodies, no keys of one's own."""
    limits = {
        "CODER_AI_GATEWAY_FIRST_BYTE_TIMEOUT": "300ms",
        "CODER_AI_GATEWAY_IDLE_TIMEOUT": "300ms",
        "CODER_AI_GATEWAY_MAX_BODY_SIZE": "64KiB",
        "CODER_AI_GATEWAY_ALLOW_BYOK": "false",
    }
    with GatewayProcess(tmp_path_factory.mktemp("strict"), configured(simulator.url) | limits) as running:
        yield running
