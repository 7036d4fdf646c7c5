"""One request in flight, and the reasons for which it may be broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Any

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
    """Lets others break off what its task waits for."""

    __slots__ = ("_armed", "_reason", "_task", "client", "deserted", "silent", "when_over", "when_stopping")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._reason: Reason | None = None
        self._armed = False
        self.client: Client | None = None
        """Who is watched."""
        self.when_stopping: Callable[[], None] | None = None
        """Is told when the gateway is told to stop; needed only by what does not end by itself."""
        self.when_over: Callable[[], None] | None = None
        """Is told when the exchange is over, however it ended."""
        self.deserted = False
        """Whether the client is gone, and the exchange goes on without it."""
        self.silent = 0
        """How often it was looked in vain whether the provider had said something."""

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
        if kind is asyncio.CancelledError and self._armed and (reason := self.caught()) is not None:
            raise Interrupted(reason) from None
        self._armed = False

    def caught(self) -> Reason | None:
        """Why the task was just cancelled: it goes on, and nothing breaks it off again. None where it must obey."""
        self._armed = False
        if self._reason is not None:
            self._task.uncancel()
        return self._reason

    def ran_out(self) -> bool:
        """The same where the provider was silent for too long; what is waited for next can be broken off again."""
        if not self._armed or self._reason is not Reason.UPSTREAM_IDLE:
            return False
        self._reason = None
        self._task.uncancel()
        return True

    def watch_client(self, client: Client, when_gone: WhenGone | None = None) -> None:
        """Break off when the client goes away, or do what else is wanted; to be called once its request is read."""
        self.client = client
        client.when_gone(self.give_up if when_gone is None else partial(when_gone, self))

    def give_up(self) -> None:
        """Break off because the client is gone."""
        self.interrupt(Reason.CLIENT_GONE)

    def finish(self) -> None:
        """Nothing is waited for any more: from here on the end of the client's connection means nothing."""
        self._armed = False
        if self.client is not None:
            self.client.when_gone(None)
            self.client = None


WhenGone = Callable[[Exchange], None]
"""Decides what becomes of an exchange whose client is gone."""
