"""Answers that bring themselves."""

from __future__ import annotations

import asyncio

import pytest

from aigateway.gateway.http1.answer import Answer
from aigateway.gateway.transport import Truncated


class Source:
    def __init__(self):
        self.paused = False
        self.aborted = False

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def abort(self):
        self.aborted = True


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def answer(source):
    return Answer(200, [], source)


async def forwarding(answer, take):
    task = asyncio.create_task(answer.forward(take))
    await asyncio.sleep(0)
    return task


async def test_what_is_there_is_handed_on_at_once_and_what_comes_later_where_it_comes(answer):
    taken = []
    answer.came(b"one")
    answer.came(b"two")
    task = await forwarding(answer, lambda piece: taken.append(piece) or True)
    assert taken == [b"onetwo"]
    answer.came(b"three")
    assert taken == [b"onetwo", b"three"], "with nobody woken up for it"
    answer.end()
    assert await task is True


async def test_who_wants_no_more_is_given_no_more_and_nothing_is_lost(answer):
    taken = []
    task = await forwarding(answer, taken.append)
    answer.came(b"one")
    answer.came(b"two")
    assert taken == [b"one"]
    assert await task is False
    answer.came(b"three")
    answer.end()
    assert await answer.forward(taken.append) is False
    assert taken == [b"one", b"twothree"]
    assert await answer.forward(taken.append) is True


async def test_a_provider_waits_for_who_wants_no_more(answer, source):
    task = await forwarding(answer, lambda piece: False)
    answer.came(b"one")
    answer.came(b"x" * 100_000)
    assert source.paused
    assert await task is False
    await answer.forward(lambda piece: False)
    assert not source.paused


async def test_a_cut_is_told_behind_what_came_before_it(answer):
    taken = []
    answer.came(b"half")
    answer.fail(Truncated("cut"))
    with pytest.raises(Truncated):
        await answer.forward(lambda piece: taken.append(piece) or True)
    assert taken == [b"half"]


async def test_a_cut_is_told_to_who_waits(answer):
    task = await forwarding(answer, lambda piece: True)
    answer.fail(Truncated("cut"))
    with pytest.raises(Truncated):
        await task


async def test_a_mistake_of_the_taker_is_the_waiters_and_not_the_connections(answer):
    def take(piece):
        raise ZeroDivisionError

    task = await forwarding(answer, take)
    answer.came(b"one")
    with pytest.raises(ZeroDivisionError):
        await task


async def test_who_stops_waiting_takes_nothing_more(answer):
    taken = []
    task = await forwarding(answer, lambda piece: taken.append(piece) or True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answer.came(b"later")
    assert taken == []
    assert await answer.read() == b"later"


async def test_closing_in_the_middle_closes_the_connection_and_at_the_end_does_not(answer, source):
    answer.came(b"one")
    answer.close()
    assert source.aborted
    ended = Answer(200, [], Source())
    ended.end()
    ended.close()
    assert await ended.read() == b""
