"""Timers to the microsecond: those of an event loop are to the millisecond, and would make streams beat as one."""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import itertools
import os
import time
from collections.abc import Callable

_MONOTONIC = 1
_NONBLOCK = os.O_NONBLOCK
_SOONEST_NS = 1_000


class _Times(ctypes.Structure):
    """`struct itimerspec`: the interval, which stays nought, and when."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "seconds", "nanoseconds"))


class Timers:
    """Calls at points of `time.monotonic_ns`, by one `timerfd` of Linux."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._library.timerfd_create(_MONOTONIC, _NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._waiting: list[tuple[int, int, Callable[[int], None]]] = []
        self._numbers = itertools.count()
        self._loop = loop
        loop.add_reader(self._descriptor, self._due)

    def at(self, when_ns: int, call: Callable[[int], None]) -> None:
        """Call with the time that was asked for, then or soon after."""
        heapq.heappush(self._waiting, (when_ns, next(self._numbers), call))
        if self._waiting[0][0] == when_ns:
            self._set()

    def close(self) -> None:
        """Call nobody any more."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _due(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return
        now = time.monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now:
            when_ns, _, call = heapq.heappop(self._waiting)
            call(when_ns)
        if self._waiting:
            self._set()

    def _set(self) -> None:
        ahead = max(self._waiting[0][0] - time.monotonic_ns(), _SOONEST_NS)
        times = _Times(0, 0, *divmod(ahead, 1_000_000_000))
        self._library.timerfd_settime(self._descriptor, 0, ctypes.byref(times), None)
