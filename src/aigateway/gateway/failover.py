"""Step 8, second part: the next key of the pool where one is rate-limited or refused (control-plane spec 1.5).

Only before the first byte of an answer, only among the organisation's own keys, and only where there are several: with
one key the provider's answer is relayed as it is.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import msgspec

from aigateway.gateway.refusal import ProviderFailed, Refusal
from aigateway.providers.credential import Credential
from aigateway.providers.credentials import pooled
from aigateway.providers.pool import DEFAULT_REST, Exhausted, Fault, rest_of
from aigateway.providers.provider import Provider
from aigateway.providers.signer import Unsigned
from aigateway.providers.upstream import UpstreamAnswer
from aigateway.telemetry.events import Events
from aigateway.telemetry.logging import get_logger

_log = get_logger("gateway")

_REFUSED_SIGNATURES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)
"""What AWS says with a 403 where another access key may be good (AWS General Reference, "Common Error Types")."""

Attempt = Callable[[Credential], Awaitable[UpstreamAnswer]]
"""Sends the request with a credential. Raises `Unsigned` where there is nothing to sign with."""


class Served(msgspec.Struct, frozen=True):
    """An answer, and the credential that it was given for."""

    answer: UpstreamAnswer
    credential: Credential


async def with_failover(provider: Provider, first: Credential, attempt: Attempt, events: Events) -> Served:
    """The answer to the first attempt that is no fault of its key.

    Raises:
        Refusal: 429 or 502 when no key of the pool can be used, 503 when there is nothing to sign with.

    """
    pool = provider.pool
    if not stands_in(provider, first):
        try:
            return Served(await attempt(first), first)
        except Unsigned as reason:
            raise _unsigned(reason) from reason
    tried: set[int] = set()
    while (place := pool.usable(tried)) is not None:
        tried.add(place)
        credential = first if place == first.place else pooled(provider, place)
        try:
            answer = await attempt(credential)
        except Unsigned as reason:
            fault, seconds, said = Fault.UNAUTHORIZED, DEFAULT_REST, str(reason)
        else:
            found = fault_of(answer, signed=credential.signer is not None)
            if found is None:
                events.key_attempts(provider.name, len(tried))
                return Served(answer, credential)
            answer.close()
            (fault, seconds), said = found, f"status {answer.status}"
        if pool.rest(place, fault, seconds):
            events.key_changed(provider.name, fault.value)
            _log.warning(
                "a provider's key rests: the next one is used",
                provider=provider.name,
                key=credential.hint,
                reason=fault.value,
                seconds=round(seconds),
                answer=said,
            )
    if tried:
        events.key_attempts(provider.name, len(tried))
    raise _refusal(provider, pool.exhausted() or Exhausted(Fault.RATE_LIMITED, 1.0), events, called=bool(tried))


def stands_in(provider: Provider, credential: Credential) -> bool:
    """Whether another credential may have to stand in for this one."""
    return credential.place is not None and len(provider.pool) > 1


def fault_of(answer: UpstreamAnswer, *, signed: bool) -> tuple[Fault, float] | None:
    """Whether an answer is the fault of the key, and for how many seconds the key is to rest then."""
    if answer.status == 429:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        return Fault.RATE_LIMITED, rest_of(headers)
    if answer.status == 401 or (answer.status == 403 and signed and _refuses_signature(answer)):
        return Fault.UNAUTHORIZED, DEFAULT_REST
    return None


def _refuses_signature(answer: UpstreamAnswer) -> bool:
    told = next((value for name, value in answer.headers if name.lower() == b"x-amzn-errortype"), b"")
    return told.decode("latin-1").split(":", 1)[0] in _REFUSED_SIGNATURES


def _refusal(provider: Provider, exhausted: Exhausted, events: Events, *, called: bool) -> Refusal:
    """429 where waiting helps; 502 where it does not, since the client's own credential is good."""
    events.keys_exhausted(provider.name, exhausted.fault.value)
    keys = f"all {len(provider.pool)} keys of the provider {provider.name}"
    if exhausted.fault is Fault.UNAUTHORIZED:
        return Refusal(
            502,
            f"{keys} are refused by the provider. Tell your administrator: the keys have to be renewed.",
            error_type="unauthorized",
            headers=((b"x-should-retry", b"false"),),
        )
    seconds = math.ceil(exhausted.seconds) or 1
    kind = ProviderFailed if called else Refusal
    return kind(
        429,
        f"{keys} are at the provider's rate limit. Try again in {seconds} s.",
        error_type="rate_limited",
        headers=((b"retry-after", str(seconds).encode()),),
    )


def _unsigned(reason: Unsigned) -> Refusal:
    return Refusal(503, str(reason), error_type="upstream_unreachable")
