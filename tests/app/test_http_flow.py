"""Back-pressure on a client's connection."""

from __future__ import annotations

import asyncio

from aigateway.app.http_flow import Flow


class Wire(asyncio.Transport):
    """A transport that nothing goes over."""


async def test_nobody_waits_for_a_client_that_takes_what_comes():
    await Flow(Wire()).drain()


async def test_all_who_wait_for_a_slow_client_go_on_together():
    flow = Flow(Wire())
    flow.pause_writing()
    waiting = [asyncio.create_task(flow.drain()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    flow.resume_writing()
    await asyncio.gather(*waiting)


async def test_a_client_that_is_slow_again_is_waited_for_again():
    flow = Flow(Wire())
    for _ in range(2):
        flow.pause_writing()
        waiting = asyncio.create_task(flow.drain())
        await asyncio.sleep(0)
        assert not waiting.done()
        flow.resume_writing()
        await waiting
