"""Time limits that share a timer."""

from __future__ import annotations

import asyncio

import pytest

from aigateway.gateway.deadline import Deadlines
from aigateway.gateway.exchange import Exchange, Interrupted, Reason


async def for_ever():
    await asyncio.Event().wait()


async def test_what_takes_too_long_is_broken_off_and_its_task_goes_on():
    with pytest.raises(TimeoutError), Deadlines(0.01).deadline():
        await for_ever()
    assert asyncio.current_task().cancelling() == 0


async def test_what_is_in_time_is_left_alone():
    deadlines = Deadlines(0.01)
    with deadlines.deadline():
        pass
    with pytest.raises(TimeoutError), Deadlines(0.05).deadline():  # so long does the timer go on
        await for_ever()
    assert not deadlines._running


async def test_each_of_several_runs_out_at_its_own_time():
    deadlines = Deadlines(0.1)
    loop = asyncio.get_running_loop()

    async def one(began):
        start = loop.time()
        with deadlines.deadline():
            began.set()
            try:
                await for_ever()
            finally:
                took.append(loop.time() - start)

    took, tasks = [], []
    for _ in range(3):
        began = asyncio.Event()
        tasks.append(asyncio.create_task(one(began)))
        await began.wait()
        await asyncio.wait({asyncio.ensure_future(for_ever())}, timeout=0.02)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError] * 3
    assert all(seconds >= 0.095 for seconds in took)  # timers are good to some milliseconds


async def test_without_a_limit_nothing_runs():
    deadlines = Deadlines(None)
    with deadlines.deadline():
        assert not deadlines._running


async def test_who_else_cancels_the_task_is_obeyed():
    async def slow():
        with Deadlines(60).deadline():
            await for_ever()

    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_exchange_that_is_interrupted_is_not_too_slow():
    async def slow():
        exchange = Exchange()
        interrupting.append(exchange)
        with exchange.interruptible(), Deadlines(60).deadline():
            await for_ever()

    interrupting = []
    task = asyncio.create_task(slow())
    await asyncio.sleep(0)
    interrupting[0].interrupt(Reason.STOPPING)
    with pytest.raises(Interrupted):
        await task
