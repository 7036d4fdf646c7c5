"""Time limits of one length that hardly ever run out: for all of them together, the loop has one timer."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """Limits of the same number of seconds; None for no limit at all."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._running: dict[Deadline, None] = {}
        """In the order in which they run out."""
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self) -> Deadline:
        """One, for a `with` block inside a task: leaving it too late raises `TimeoutError`."""
        return Deadline(self)

    def begin(self, deadline: Deadline) -> None:
        """It runs from now on."""
        if self.seconds is None:
            return
        loop = asyncio.get_running_loop()
        deadline.runs_out = loop.time() + self.seconds
        self._running[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.runs_out, self._look)

    def end(self, deadline: Deadline) -> None:
        """It runs no longer."""
        self._running.pop(deadline, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for deadline in tuple(self._running):
            if deadline.runs_out > loop.time():
                self._timer = loop.call_at(deadline.runs_out, self._look)
                return
            del self._running[deadline]
            deadline.run_out()


class Deadline:
    """As `asyncio.timeout`: what the block waits for is cancelled when it runs out."""

    __slots__ = ("_deadlines", "_over", "_task", "runs_out")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._over = False
        self._task: asyncio.Task[object] | None = None
        self.runs_out = 0.0

    def run_out(self) -> None:
        """Break off."""
        self._over = True
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._deadlines.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadlines.end(self)
        # Whoever else cancelled the task as well is obeyed, as `asyncio.timeout` does.
        if self._over and self._task is not None and self._task.uncancel() <= 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
