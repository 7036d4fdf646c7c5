from __future__ import annotations

import pytest

from aigateway.gateway.rate import RateLimiter
from aigateway.gateway.refusal import Refusal
from tests.gateway.stage import CHAT, OTHER, TOKEN
from tests.gateway.test_intercept import APIS


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_requests_a_second_by_credential(clock):
    limiter = RateLimiter(2, clock)
    limiter.check("a")
    limiter.check("a")
    with pytest.raises(Refusal) as caught:
        limiter.check("a")
    assert caught.value.status == 429
    assert caught.value.headers == ((b"retry-after", b"1"),)
    limiter.check("b")


def test_after_the_time_of_retry_after_it_goes_on(clock):
    limiter = RateLimiter(1, clock)
    clock.now += 0.999
    limiter.check("a")
    with pytest.raises(Refusal):
        limiter.check("a")
    clock.now += 1
    limiter.check("a")


def test_nothing_is_kept_when_a_second_is_over(clock):
    limiter = RateLimiter(1, clock)
    for number in range(1000):
        limiter.check(str(number))
    clock.now += 1
    limiter.check("a")
    assert len(limiter._counts) == 1


@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_the_refusal_has_the_shape_of_the_api(stage, path, payload):
    stage.rate_limiter = RateLimiter(1, Clock())
    assert (await stage.ask(path, payload)).status == 200
    answer = await stage.ask(path, payload)
    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.error["type"] == "rate_limit_error"
    assert "--ai-gateway-rate-limit" in answer.error["message"]
    assert "x-should-retry" not in answer.headers


async def test_nobody_spends_the_requests_of_another_person(stage):
    stage.rate_limiter = RateLimiter(1, Clock())
    for _ in range(5):
        answer = await stage.ask("openai/v1/chat/completions", CHAT, headers={"authorization": f"Bearer {OTHER}"})
        assert answer.status == 401
    assert (await stage.ask("openai/v1/chat/completions", CHAT)).status == 200
    evading = {"authorization": f"Bearer {OTHER}", "x-api-key": TOKEN}
    assert (await stage.ask("openai/v1/chat/completions", CHAT, headers=evading)).status == 429


async def test_probes_are_not_limited(stage):
    stage.rate_limiter = RateLimiter(0, Clock())
    assert (await stage.ask("anthropic/api/hello", method="HEAD")).status == 200
