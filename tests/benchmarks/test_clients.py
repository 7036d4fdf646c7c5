from __future__ import annotations

import asyncio
import json

import pytest

from benchmarks.bench.load import Clients, Order
from benchmarks.bench.plan import Plan
from benchmarks.bench.relay import serve as relay
from benchmarks.bench.timers import Timers
from benchmarks.bench.upstream import Upstream


@pytest.fixture
async def upstream():
    loop = asyncio.get_running_loop()
    timers = Timers(loop)
    connections = []

    def connect():
        connections.append(Upstream(timers))
        return connections[-1]

    server = await loop.create_server(connect, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for connection in connections:
        connection.hang_up()
    timers.close()
    await asyncio.sleep(0)  # one turn of the loop closes them


def order(port, plan, **more):
    body = json.dumps({"model": plan.model})
    given = {"path": "/v1/chat/completions", "headers": {}, "timed": True, "connections": 2, "requests": 6} | more
    return Order(port=port, body=body, **given)


async def test_clients_ask_as_often_as_they_are_told_and_count_the_answers(upstream):
    seen = await Clients(order(upstream, Plan())).run()
    assert (seen.answered, seen.failed, seen.latency.count) == (6, 0, 6)
    assert 0 < seen.first_byte.p50 <= seen.latency.p50


async def test_at_a_rate_they_ask_no_faster(upstream):
    seen = await Clients(order(upstream, Plan(), rate=100.0)).run()
    assert seen.answered == 6
    assert seen.seconds >= 0.05


async def test_a_stream_that_nobody_holds_back_comes_in_pieces_whose_way_is_timed(upstream):
    seen = await Clients(order(upstream, Plan(events=5, interval_ms=20), pieces=3)).run()
    assert (seen.answered, seen.held_back, seen.delay.count) == (6, 0, 30)
    assert seen.latency.p50 >= 7 * 20


async def test_a_compressed_stream_is_read_and_not_timed(upstream):
    seen = await Clients(order(upstream, Plan(events=200, gzip=True), timed=False)).run()
    assert (seen.answered, seen.failed, seen.delay.count) == (6, 0, 0)


async def test_a_stream_that_comes_at_once_was_held_back(upstream):
    # An upstream that does not pause looks to a client like somebody who waits for the end.
    seen = await Clients(order(upstream, Plan(events=5), pieces=100)).run()
    assert (seen.answered, seen.held_back) == (6, 6)


async def test_a_refusal_is_a_failure_and_shows_itself(upstream):
    seen = await Clients(order(upstream, Plan(), path="/nowhere")).run()
    assert (seen.answered, seen.failed) == (0, 6)
    assert "404" in seen.sample


@pytest.mark.parametrize(
    "plan", [Plan(), Plan(events=5, interval_ms=5), Plan(size=300_000)], ids=lambda plan: plan.model
)
async def test_the_bare_relay_hands_on_what_it_gets(upstream, plan):
    async with relay(upstream) as port:
        seen = await Clients(order(port, plan)).run()
    assert (seen.answered, seen.failed) == (6, 0)
    assert seen.delay.count == 6 * plan.events
