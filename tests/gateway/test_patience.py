"""Time limits of exchanges, which share a timer."""

from __future__ import annotations

import asyncio

import pytest

from aigateway.gateway.exchange import Exchange, Interrupted, Reason
from aigateway.gateway.patience import Patience
from tests.support.waiting import eventually


async def for_ever():
    await asyncio.Event().wait()


async def wait(patience, begun, *, what=for_ever):
    """Wait in an exchange for something that is not to take too long; whether the exchange ran out."""
    exchange = Exchange(asyncio.current_task())
    begun.append(exchange)
    with exchange.interruptible():
        patience.begin(exchange)
        try:
            await what()
        except asyncio.CancelledError:
            if not exchange.ran_out():
                raise
            return True
        finally:
            patience.end(exchange)
    return False


async def test_what_takes_too_long_is_broken_off_and_its_task_goes_on():
    assert await wait(Patience(0.01), [])
    assert asyncio.current_task().cancelling() == 0


async def test_what_is_in_time_is_left_alone():
    patience = Patience(0.02)
    assert not await wait(patience, [], what=lambda: asyncio.sleep(0))
    await eventually(lambda: patience._timer is None)
    assert not patience._waiting


async def test_each_of_several_runs_out_at_its_own_time():
    patience, loop, took = Patience(0.1), asyncio.get_running_loop(), []

    async def one():
        start = loop.time()
        assert await wait(patience, [])
        took.append(loop.time() - start)

    tasks = []
    for _ in range(3):
        tasks.append(asyncio.create_task(one()))
        await asyncio.wait({asyncio.ensure_future(for_ever())}, timeout=0.02)
    await asyncio.gather(*tasks)
    assert all(seconds >= 0.095 for seconds in took)  # timers are good to some milliseconds


async def test_who_says_something_now_and_then_is_not_silent():
    patience, begun, heard = Patience(0.05), [], []

    async def talk():
        for _ in range(20):
            await asyncio.wait({asyncio.ensure_future(for_ever())}, timeout=0.01)
            begun[0].silent = 0
            heard.append(1)

    assert not await wait(patience, begun, what=talk)
    assert len(heard) == 20


async def test_without_a_limit_nothing_runs():
    patience = Patience(None)

    async def look():
        assert not patience._waiting
        assert patience._timer is None

    assert not await wait(patience, [], what=look)


async def test_who_else_cancels_the_task_is_obeyed():
    begun = []
    task = asyncio.create_task(wait(Patience(60), begun))
    await eventually(lambda: begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_exchange_that_is_interrupted_is_not_too_slow():
    begun = []
    task = asyncio.create_task(wait(Patience(60), begun))
    await eventually(lambda: begun)
    begun[0].interrupt(Reason.STOPPING)
    with pytest.raises(Interrupted):
        await task
