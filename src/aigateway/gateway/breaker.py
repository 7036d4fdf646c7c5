"""One circuit breaker: spares a provider that is overloaded, and tries again a little at a time (data-plane spec 17).

Sans-io: it is told what came of requests and what time it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aigateway.settings.model import CircuitBreakerSettings
from aigateway.telemetry.events import BreakerState


@dataclass(frozen=True, slots=True)
class Permit:
    """A request was let through; what comes of it counts while the breaker is as it was then."""

    generation: int


class CircuitBreaker:
    """Closed, open, or half-open.

    Closed, it counts failures in a row, within windows of `interval`; at the threshold it opens. Open, it lets nothing
    through for `timeout`. Half-open, it lets through `max_requests` at a time: that many successes close it, and one
    failure opens it again.
    """

    def __init__(self, settings: CircuitBreakerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = settings.failure_threshold
        self._interval = settings.interval.total_seconds()
        self._timeout = settings.timeout.total_seconds()
        self._max_requests = settings.max_requests
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._failures = 0
        self._successes = 0
        self._trying = 0
        self._until = clock() + self._interval

    @property
    def state(self) -> BreakerState:
        """What it is now."""
        self._let_time_pass()
        return self._state

    @property
    def seconds_left(self) -> float:
        """How long it stays open from now on; 0 unless it is open."""
        return max(0.0, self._until - self._clock()) if self.state is BreakerState.OPEN else 0.0

    @property
    def at_rest(self) -> bool:
        """Whether it is as good as a new one."""
        return self.state is BreakerState.CLOSED and self._failures == 0

    def admit(self) -> Permit | None:
        """Let a request through, or None. Whoever gets a permit tells once what came of it."""
        self._let_time_pass()
        if self._state is BreakerState.OPEN:
            return None
        if self._state is BreakerState.HALF_OPEN:
            if self._trying + self._successes >= self._max_requests:
                return None
            self._trying += 1
        return Permit(self._generation)

    def succeeded(self, permit: Permit) -> None:
        """The provider served, or refused for a reason that is not its load."""
        if not self._counts(permit):
            return
        if self._state is BreakerState.CLOSED:
            self._failures = 0
            return
        self._trying -= 1
        self._successes += 1
        if self._successes >= self._max_requests:
            self._turn(BreakerState.CLOSED, self._interval)

    def failed(self, permit: Permit) -> None:
        """The provider was overloaded, too slow or not there."""
        if not self._counts(permit):
            return
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN or self._failures >= self._threshold:
            self._turn(BreakerState.OPEN, self._timeout)

    def released(self, permit: Permit) -> None:
        """Nothing was learnt: the client went away, or the gateway itself refused."""
        if self._counts(permit) and self._state is BreakerState.HALF_OPEN:
            self._trying -= 1

    def _counts(self, permit: Permit) -> bool:
        self._let_time_pass()
        return permit.generation == self._generation

    def _let_time_pass(self) -> None:
        now = self._clock()
        if now < self._until:
            return
        if self._state is BreakerState.OPEN:
            self._turn(BreakerState.HALF_OPEN, 0)
        elif self._state is BreakerState.CLOSED:
            self._turn(BreakerState.CLOSED, self._interval)

    def _turn(self, state: BreakerState, seconds: float) -> None:
        """Begin anew in a state, or in another window of the same."""
        self._state = state
        self._generation += 1
        self._failures = self._successes = self._trying = 0
        self._until = self._clock() + seconds
