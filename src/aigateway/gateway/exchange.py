"""One request in flight, and the reasons for which it may be broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from types import TracebackType

from aigateway.gateway.client import Client


class Reason(StrEnum):
    """Why an exchange is broken off; the values are the record's error types."""

    CLIENT_GONE = "client_disconnected"
    UPSTREAM_IDLE = "timeout"
    STOPPING = "interrupted"


class Interrupted(Exception):
    """The exchange was broken off."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Exchange:
    """Lets others break off what the current task waits for."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an exchange is made inside a task")
        self._task = task
        self._reason: Reason | None = None
        self._armed = False
        self._client: Client | None = None
        self.when_stopping: Callable[[], None] | None = None
        """Is told when the gateway is told to stop; needed only by what does not end by itself."""
        self.when_over: Callable[[], None] | None = None
        """Is told when the exchange is over, however it ended."""
        self.deserted = False
        """Whether the client is gone, and the exchange goes on without it."""

    def interrupt(self, reason: Reason) -> None:
        """Break off at once; the first reason counts."""
        if self._reason is None:
            self._reason = reason
            if self._armed:
                self._task.cancel()

    def interruptible(self) -> Exchange:
        """Waiting inside a `with` of this can be broken off.

        Raises:
            Interrupted: somebody did, then or before.

        """
        return self

    def __enter__(self) -> None:
        if self._reason is not None:
            raise Interrupted(self._reason)
        self._armed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._armed = False
        if kind is asyncio.CancelledError and self._reason is not None:
            self._task.uncancel()
            raise Interrupted(self._reason) from None

    def watch_client(self, client: Client, when_gone: WhenGone | None = None) -> None:
        """Break off when the client goes away, or do what else is wanted; to be called once its request is read."""
        self._client = client
        client.when_gone(self.give_up if when_gone is None else partial(when_gone, self))

    def give_up(self) -> None:
        """Break off because the client is gone."""
        self.interrupt(Reason.CLIENT_GONE)

    def unwatch_client(self) -> None:
        """Stop watching: from here on the end of the connection means nothing."""
        if self._client is not None:
            self._client.when_gone(None)
            self._client = None


WhenGone = Callable[[Exchange], None]
"""Decides what becomes of an exchange whose client is gone."""


class IdleTimer:
    """Breaks an exchange off when nothing came for a while. Touching it costs one attribute, not a timer."""

    def __init__(self, exchange: Exchange, seconds: float | None) -> None:
        self._exchange = exchange
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._handle = self._loop.call_later(seconds, self._check) if seconds is not None else None

    def touch(self) -> None:
        """Something came."""
        self._last = self._loop.time()

    def cancel(self) -> None:
        """Stop."""
        if self._handle is not None:
            self._handle.cancel()

    def _check(self) -> None:
        assert self._seconds is not None  # noqa: S101 - without it the timer was never set
        left = self._last + self._seconds - self._loop.time()
        if left <= 0:
            self._exchange.interrupt(Reason.UPSTREAM_IDLE)
        else:
            self._handle = self._loop.call_later(left, self._check)
