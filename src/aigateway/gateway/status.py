"""What this process knows of its providers: how their keys do, and which circuit breakers have counted something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from aigateway.gateway.breakers import Breakers, word
from aigateway.providers.credentials import pooled
from aigateway.providers.provider import Provider
from aigateway.providers.status import BreakerStatus, KeyStatus, ProviderStatus
from aigateway.telemetry.events import Events

_VALID = "valid"


class ProviderStates:
    """Looks when it is asked."""

    def __init__(self, providers: Iterable[Provider], breakers: Breakers, events: Events) -> None:
        self._providers = tuple(providers)
        self._breakers = breakers
        self._events = events

    def statuses(self) -> list[ProviderStatus]:
        """Every provider, in the order of the settings."""
        now = datetime.now(UTC)
        return [
            ProviderStatus(
                name=provider.name,
                type=provider.type.value,
                keys=tuple(_key(provider, place, now) for place in range(len(provider.pool))),
                breakers=tuple(
                    BreakerStatus(
                        endpoint=reading.guarded.endpoint,
                        model=reading.guarded.model,
                        state=word(reading.state),
                        until=_in(now, reading.seconds_left),
                    )
                    for reading in self._breakers.readings(provider.name)
                ),
            )
            for provider in self._providers
        ]

    def tell(self) -> None:
        """Tell what changed because time went by: keys and breakers recover by themselves, and nobody notices."""
        self._breakers.let_time_pass()
        for provider in self._providers:
            if len(provider.pool):
                counted = Counter(_is_valid(provider, place) for place in range(len(provider.pool)))
                states = {_VALID: counted[True], "temporary": counted[False], "permanent": 0}
                self._events.key_states(provider.name, states)


def _key(provider: Provider, place: int, now: datetime) -> KeyStatus:
    state = provider.pool.state(place)
    hint = pooled(provider, place).hint
    return KeyStatus(hint, state.fault.value if state.fault else _VALID, _in(now, state.seconds))


def _is_valid(provider: Provider, place: int) -> bool:
    return provider.pool.state(place).fault is None


def _in(now: datetime, seconds: float) -> datetime | None:
    return now + timedelta(seconds=seconds) if seconds else None
