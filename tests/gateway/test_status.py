from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aigateway.gateway.breakers import Breakers
from aigateway.gateway.status import ProviderStates
from aigateway.providers.pool import Fault
from aigateway.settings.model import CircuitBreakerSettings
from aigateway.telemetry.events import BreakerState, Events
from tests.providers.making import provider
from tests.support.waiting import eventually


class Told(Events):
    def __init__(self):
        self.states = {}
        self.breakers = []

    def key_states(self, provider, states):
        self.states[provider] = states

    def breaker_changed(self, provider, endpoint, model, state):
        self.breakers.append(state)


@pytest.fixture
def told():
    return Told()


def test_keys_that_rest_and_breakers_that_count(told):
    settings = CircuitBreakerSettings(
        failure_threshold=2, interval=timedelta(hours=1), timeout=timedelta(hours=1), max_requests=1
    )
    breakers = Breakers(settings, told)
    openai = provider("openai", keys=("sk-one-0123456789abcd01", "sk-two-0123456789abcd02"))
    openai.pool.rest(0, Fault.RATE_LIMITED, 60)
    for model in ("a", "b", "b"):
        with breakers.guard("openai", "/v1/responses", model) as verdict:
            verdict.answered(503, centralized=True)
    states = ProviderStates([openai, provider("copilot", keys=())], breakers, told)
    first, second = states.statuses()
    assert [(key.hint, key.state) for key in first.keys] == [("sk-o...cd01", "rate_limited"), ("sk-t...cd02", "valid")]
    until = first.keys[0].until - datetime.now(UTC)
    assert timedelta(seconds=50) < until <= timedelta(seconds=60)
    assert first.keys[1].until is None
    assert [(each.model, each.state, each.until is None) for each in first.breakers] == [
        ("a", "closed", True),
        ("b", "open", False),
    ]
    assert (second.name, second.keys, second.breakers) == ("copilot", (), ())
    states.tell()
    assert told.states == {"openai": {"valid": 1, "temporary": 1, "permanent": 0}}


async def test_what_recovers_by_itself_is_told_at_the_next_look(told):
    settings = CircuitBreakerSettings(
        failure_threshold=1, interval=timedelta(hours=1), timeout=timedelta(milliseconds=20), max_requests=1
    )
    breakers = Breakers(settings, told)
    with breakers.guard("openai", "/v1/responses", "a") as verdict:
        verdict.answered(503, centralized=True)
    states = ProviderStates([], breakers, told)

    def half_open():
        states.tell()
        return told.breakers == [BreakerState.OPEN, BreakerState.HALF_OPEN]

    await eventually(half_open)
