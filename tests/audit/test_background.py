from __future__ import annotations

import asyncio

import pytest

from aigateway.audit import background
from aigateway.audit.background import Background, Slices


class Counting(Background):
    name = "counting"

    def __init__(self):
        self.begun = asyncio.Event()

    async def _run(self):
        self.begun.set()
        await asyncio.Event().wait()


async def test_it_runs_from_its_start_to_its_stop_under_its_name():
    counting = Counting()
    await counting.stop()
    counting.start()
    await counting.begun.wait()
    assert "counting" in {task.get_name() for task in asyncio.all_tasks()}
    await counting.stop()
    assert "counting" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.fixture
def takes(monkeypatch):
    """Says how many seconds the next slice takes; gives the pauses that were made."""
    now, pauses = [0.0], []

    async def pause(seconds):
        pauses.append(seconds)

    def work(seconds):
        async def done(size):
            now[0] += seconds
            return size

        return done

    monkeypatch.setattr(background.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(background.asyncio, "sleep", pause)
    return work, pauses


async def test_a_slice_is_as_large_as_takes_about_so_long_and_its_pause_as_long_as_it_took(takes):
    work, pauses = takes
    slices = Slices(seconds=1.0, smallest=5, largest=30)
    assert [await slices.one(work(seconds)) for seconds in (0.25, 0.25, 0.25, 1.0, 4.0, 4.0, 4.0)] == [
        5, 10, 20, 30, 30, 15, 8
    ]  # fmt: skip
    assert slices.size == 5
    assert pauses == [0.25, 0.25, 0.25, 1.0, 4.0, 4.0, 4.0]


async def test_work_that_may_take_a_tenth_of_the_time_rests_nine_times_as_long_as_it_took(takes):
    work, pauses = takes
    slices = Slices(seconds=1.0, smallest=1, largest=1, share=0.1)
    await slices.one(work(0.5))
    assert pauses == [pytest.approx(4.5)]
