"""Step 8, first part: the circuit breakers of this replica, one for each provider, endpoint and model (decision 18).

They are shared by all people, so that one person's failures spare everybody the wait.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from aigateway.gateway.breaker import CircuitBreaker
from aigateway.gateway.refusal import ProviderFailed, Refusal
from aigateway.settings.model import CircuitBreakerSettings
from aigateway.telemetry.events import BreakerState, Events
from aigateway.telemetry.labels import printable
from aigateway.telemetry.logging import get_logger

_log = get_logger("gateway")

MOST_BREAKERS = 1000
"""Models are named by clients, so there may be any number."""
_LONGEST_MODEL = 256
_OVERLOADED = frozenset({503, 504, 529})
_RATE_LIMITED = 429
_NOBODY_LISTENS = Events()


@dataclass(frozen=True, slots=True)
class Guarded:
    """What one breaker stands before."""

    provider: str
    endpoint: str
    """The path behind the provider's name: `/v1/messages`."""
    model: str


@dataclass(frozen=True, slots=True)
class BreakerReading:
    """One breaker that has something to tell."""

    guarded: Guarded
    state: BreakerState
    seconds_left: float
    """How long it stays open; 0 unless it is."""


class Verdict:
    """What came of a request, as far as a breaker is concerned."""

    def __init__(self) -> None:
        self.failed: bool | None = None
        """None while there is nothing to be learnt of it."""

    def answered(self, status: int, *, centralized: bool) -> None:
        """The provider answered. A rate limit is its failure only where it is the organisation's own."""
        self.failed = status in _OVERLOADED or (status == _RATE_LIMITED and centralized)


_LETS_THROUGH = nullcontext(Verdict())
"""Where there are no breakers, whatever is said of a request is said to nobody."""


class _Known:
    """A breaker, and the state that was last told."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self.told = BreakerState.CLOSED


class Breakers:
    """Every breaker; without settings there is none, and everything is let through."""

    def __init__(self, settings: CircuitBreakerSettings | None = None, events: Events = _NOBODY_LISTENS) -> None:
        self._settings = settings
        self._events = events
        self._breakers: OrderedDict[Guarded, _Known] = OrderedDict()

    @property
    def active(self) -> bool:
        """Whether there can be any."""
        return self._settings is not None

    def guard(self, provider: str, endpoint: str, model: str) -> AbstractContextManager[Verdict]:
        """Let a request through; whoever makes it says what came of it, or raises.

        Raises:
            Refusal: 503 while the breaker is open.

        """
        if self._settings is None:
            return _LETS_THROUGH
        return self._guard(provider, endpoint, model, self._settings)

    @contextmanager
    def _guard(self, provider: str, endpoint: str, model: str, settings: CircuitBreakerSettings) -> Iterator[Verdict]:
        verdict = Verdict()
        guarded = Guarded(provider, endpoint, model[:_LONGEST_MODEL])
        known = self._of(guarded, settings)
        breaker = known.breaker
        permit = breaker.admit()
        self._tell(guarded, known)
        if permit is None:
            self._events.breaker_rejected(provider, endpoint, guarded.model)
            raise _open(provider, breaker.seconds_left)
        try:
            yield verdict
        except ProviderFailed:
            verdict.failed = True
            raise
        finally:
            if verdict.failed is None:
                breaker.released(permit)
            elif verdict.failed:
                breaker.failed(permit)
            else:
                breaker.succeeded(permit)
            self._tell(guarded, known)

    def let_time_pass(self) -> None:
        """Tell of those that changed because time went by, with no request to notice."""
        for guarded, known in self._breakers.items():
            self._tell(guarded, known)

    def readings(self, provider: str) -> list[BreakerReading]:
        """Those of one provider that are not closed, or about to open."""
        return [
            BreakerReading(guarded, known.breaker.state, known.breaker.seconds_left)
            for guarded, known in self._breakers.items()
            if guarded.provider == provider and not known.breaker.at_rest
        ]

    def _of(self, guarded: Guarded, settings: CircuitBreakerSettings) -> _Known:
        known = self._breakers.get(guarded)
        if known is None:
            if len(self._breakers) >= MOST_BREAKERS:
                self._forget_one()
            known = self._breakers[guarded] = _Known(CircuitBreaker(settings))
        self._breakers.move_to_end(guarded)
        return known

    def _forget_one(self) -> None:
        """The longest unused of those that have nothing to tell, else the longest unused."""
        quiet = (guarded for guarded, known in self._breakers.items() if known.breaker.at_rest)
        del self._breakers[next(quiet, next(iter(self._breakers)))]

    def _tell(self, guarded: Guarded, known: _Known) -> None:
        before, after = known.told, known.breaker.state
        if after is before:
            return
        known.told = after
        self._events.breaker_changed(guarded.provider, guarded.endpoint, guarded.model, after)
        _log.info(
            "circuit breaker state change",
            provider=guarded.provider,
            endpoint=guarded.endpoint,
            model=printable(guarded.model),
            **{"from": word(before), "to": word(after)},
        )


def word(state: BreakerState) -> str:
    """A state as logs and pages name it."""
    return state.name.lower().replace("_", "-")


def _open(provider: str, seconds_left: float) -> Refusal:
    seconds = math.ceil(seconds_left) or 1
    return Refusal(
        503,
        f"the circuit breaker is open: the provider {provider} was overloaded or away. Try again in {seconds} s.",
        error_type="overloaded",
        code="service_unavailable",
        headers=((b"retry-after", str(seconds).encode()),),
    )
