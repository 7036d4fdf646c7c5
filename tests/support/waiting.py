"""Waiting for a condition instead of sleeping for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_STEP = 0.01


async def eventually(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Return once `condition()` is true; raise TimeoutError when it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true in time")
        await asyncio.sleep(_STEP)


async def eventually_is(ask: Callable[[], Awaitable[object]], wanted: object, *, seconds: float = 60.0) -> None:
    """Return once what is asked for is as wanted."""
    end = time.monotonic() + seconds
    while (found := await ask()) != wanted:
        if time.monotonic() > end:
            raise TimeoutError(f"{found} did not become {wanted} in time")
        await asyncio.sleep(_STEP)


def wait_until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """`eventually`, for synchronous callers."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true in time")
        time.sleep(_STEP)
