"""A provider that is overloaded is spared, for everybody, and tried again a little at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from aigateway.gateway.breakers import MOST_BREAKERS, Breakers
from aigateway.gateway.refusal import Refusal
from aigateway.settings.model import CircuitBreakerSettings
from aigateway.telemetry.events import BreakerState, Events
from tests.gateway.scripted import MESSAGES_ANSWER, OVERLOADED, RATE_LIMITED, REFUSED, Say, scripted
from tests.gateway.stage import CHAT, MESSAGES, RESPONSES, TOKEN
from tests.providers.making import provider
from tests.support.waiting import eventually

PATH = "openai/v1/chat/completions"
OWN = {"x-coder-ai-governance-token": TOKEN, "authorization": "Bearer sk-own-0123456789"}


class Told(Events):
    def __init__(self):
        self.states, self.rejects = [], 0

    def breaker_changed(self, provider, endpoint, model, state):
        self.states.append((provider, endpoint, model, state))

    def breaker_rejected(self, provider, endpoint, model):
        self.rejects += 1


def breakers(timeout=30.0, threshold=2, max_requests=1):
    settings = CircuitBreakerSettings(
        failure_threshold=threshold,
        interval=timedelta(seconds=60),
        timeout=timedelta(seconds=timeout),
        max_requests=max_requests,
    )
    told = Told()
    return Breakers(settings, told), told


@pytest.fixture
def told(stage):
    stage.breakers, told = breakers()
    return told


@pytest.fixture
async def upstream(stage):
    async with scripted() as served:
        stage.providers["openai"] = provider("openai", base_url=f"{served.url}/v1")
        stage.providers["anthropic"] = provider("anthropic", base_url=served.url)
        stage.providers["copilot"] = provider("copilot", base_url=served.url, keys=())
        yield served


@pytest.mark.parametrize(
    ("path", "payload", "error"),
    [
        (PATH, CHAT, {"type": "server_error", "code": "service_unavailable", "param": None}),
        (
            "openai/v1/responses",
            RESPONSES,
            {"type": "server_error", "code": "service_unavailable", "param": None},
        ),
        ("anthropic/v1/messages", MESSAGES, {"type": "overloaded_error"}),
    ],
)
async def test_an_open_breaker_answers_503_in_the_shape_of_the_api(stage, upstream, told, path, payload, error):
    upstream.default = OVERLOADED
    for _ in range(2):
        answer = await stage.ask(path, payload)
        assert (answer.status, answer.json()) == (503, OVERLOADED.body)
    answer = await stage.ask(path, payload)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    told_client = answer.error
    assert told_client.pop("message").startswith("AI Gateway: the circuit breaker is open")
    assert told_client == error
    assert len(upstream.asked) == 2
    assert told.rejects == 1
    name, _, endpoint = path.partition("/")
    assert told.states == [(name, f"/{endpoint}", "sim", BreakerState.OPEN)]


async def test_a_rejected_request_is_on_record(stage, told, upstream):
    upstream.default = OVERLOADED
    for _ in range(3):
        await stage.ask(PATH, CHAT)
    last = (await stage.records())[-1]
    assert (last.status_code, last.error_type) == (503, "overloaded")
    assert "circuit breaker" in last.error_message


@pytest.mark.parametrize("status", [503, 504, 529, 429])
async def test_what_counts_as_overload(stage, told, upstream, status):
    upstream.default = Say(status)
    for _ in range(3):
        await stage.ask(PATH, CHAT)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 408, 413, 500, 502])
async def test_what_does_not(stage, told, upstream, status):
    upstream.default = Say(status)
    for _ in range(3):
        await stage.ask(PATH, CHAT)
    assert len(upstream.asked) == 3


async def test_a_provider_that_is_away_counts(stage, told):
    stage.providers["openai"] = provider("openai", base_url="http://127.0.0.1:9/v1")
    assert [(await stage.ask(PATH, CHAT)).status for _ in range(3)] == [502, 502, 503]


async def test_a_provider_that_is_too_slow_counts(stage, told):
    stage.first_byte_timeout = 0.05
    assert [(await stage.ask(PATH, CHAT, sim="hang")).status for _ in range(3)] == [504, 504, 503]


async def test_the_rate_limit_of_a_persons_own_key_is_no_reason_to_refuse_others(stage, told, upstream):
    upstream.by_key["sk-own-0123456789"] = RATE_LIMITED
    for _ in range(5):
        assert (await stage.ask(PATH, CHAT, headers=OWN)).status == 429
    assert (await stage.ask(PATH, CHAT)).status == 200
    assert told.states == []


async def test_with_several_keys_only_their_exhaustion_counts(stage, told, upstream):
    keys = ("sk-one-0123456789abcdef", "sk-two-0123456789abcdef")
    stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1", keys=keys)
    upstream.by_key[keys[0]] = RATE_LIMITED
    for _ in range(5):
        assert (await stage.ask(PATH, CHAT)).status == 200
    assert told.states == []
    stage.breakers, told = breakers(threshold=1)
    upstream.default = RATE_LIMITED
    assert (await stage.ask(PATH, CHAT)).status == 429
    assert (await stage.ask(PATH, CHAT)).status == 503
    assert told.states[-1][-1] is BreakerState.OPEN


async def test_keys_that_are_refused_or_rest_are_no_overload(stage, told, upstream):
    keys = ("sk-one-0123456789abcdef", "sk-two-0123456789abcdef")
    stage.providers["openai"] = provider("openai", base_url=f"{upstream.url}/v1", keys=keys)
    upstream.default = REFUSED
    assert [(await stage.ask(PATH, CHAT)).status for _ in range(4)] == [502] * 4
    assert told.states == []


async def test_a_client_that_goes_away_is_no_fault_of_the_provider(stage, told):
    for number in range(3):
        client = stage.client(PATH, CHAT, sim="hang")
        running = asyncio.create_task(client.run())
        await eventually(lambda seen=number + 1: len(stage.sim.requests) == seen)
        client.gone.set()
        await running
    assert (await stage.ask(PATH, CHAT)).status == 200
    assert told.states == []


async def test_models_endpoints_and_providers_are_apart(stage, told, upstream):
    upstream.default = OVERLOADED
    for _ in range(3):
        await stage.ask(PATH, CHAT)
    upstream.default = Say()
    assert (await stage.ask(PATH, CHAT | {"model": "other"})).status == 200
    assert (await stage.ask("openai/v1/responses", RESPONSES)).status == 200
    upstream.default = Say(body=MESSAGES_ANSWER)
    assert (await stage.ask("anthropic/v1/messages", MESSAGES)).status == 200
    assert (await stage.ask("openai/v1/models", method="GET")).status == 200
    assert (await stage.ask(PATH, CHAT)).status == 503


async def test_it_tries_again_and_closes(stage, upstream):
    stage.breakers, told = breakers(timeout=0.05, max_requests=2)
    upstream.default = OVERLOADED
    for _ in range(2):
        await stage.ask(PATH, CHAT)
    upstream.default = Say()
    await eventually(lambda: stage.breakers.readings("openai")[0].state is BreakerState.HALF_OPEN)
    for _ in range(3):
        assert (await stage.ask(PATH, CHAT)).status == 200
    assert [state for *_, state in told.states] == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
    assert stage.breakers.readings("openai") == []


async def test_off_it_lets_everything_through(stage, upstream):
    upstream.default = OVERLOADED
    for _ in range(20):
        await stage.ask(PATH, CHAT)
    assert len(upstream.asked) == 20


def test_models_made_up_by_clients_do_not_fill_the_memory_nor_push_an_open_one_out():
    many, _ = breakers(threshold=1)
    with many.guard("openai", "/v1/responses", "real") as verdict:
        verdict.answered(503, centralized=True)
    for number in range(MOST_BREAKERS * 2):
        with many.guard("openai", "/v1/responses", f"{'x' * 300}{number}") as verdict:
            verdict.answered(200, centralized=True)
        with many.guard("openai", "/v1/responses", f"m{number}") as verdict:
            verdict.answered(200, centralized=True)
    assert len(many._breakers) <= MOST_BREAKERS
    with pytest.raises(Refusal), many.guard("openai", "/v1/responses", "real"):
        pass
    (reading,) = many.readings("openai")
    assert (reading.guarded.model, reading.state) == ("real", BreakerState.OPEN)
