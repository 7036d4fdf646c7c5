"""What goes on beside the requests for as long as the gateway runs."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")


class Background(ABC):
    """A task of its own between `start` and `stop`."""

    name: str
    """For people who look at the tasks of the process."""
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Begin nothing more. The next start goes on where this one stopped."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @abstractmethod
    async def _run(self) -> None:
        """What it does, until it is cancelled."""


class Slices:
    """Work in the store, so much at a time as takes about so long: whoever writes records waits for the end of each."""

    def __init__(self, *, seconds: float, smallest: int, largest: int, share: float = 0.5) -> None:
        """Take how long one is to last, how much work that may be, and the share of the time that all may take."""
        self._seconds = seconds
        self._rest = (1 - share) / share
        self._smallest = smallest
        self._largest = largest
        self.size = smallest

    async def one(self, work: Callable[[int], Awaitable[_T]]) -> _T:
        """Do one, then pause: the rest of the time belongs to those who write records."""
        began = time.monotonic()
        done = await work(self.size)
        took = time.monotonic() - began
        factor = 2.0 if took < self._seconds / 2 else 0.5 if took > self._seconds * 2 else 1.0
        self.size = max(self._smallest, min(self._largest, round(self.size * factor)))
        await asyncio.sleep(took * self._rest)
        return done
