"""One cheap call of a provider, for operators who want to know whether it and its key are good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aigateway.gateway.transport import ConnectTimeout, Transport, Unreachable, UpstreamError
from aigateway.providers.credential import Credential
from aigateway.providers.credentials import pooled
from aigateway.providers.provider import Provider
from aigateway.providers.signer import Unsigned
from aigateway.providers.status import Probe, ProbedTooSoon
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest, header
from aigateway.settings.providers import ProviderType

_PATIENCE = 10.0
"""Seconds for the call."""
_EVERY = 5.0
"""Seconds between two calls of one provider, whoever asks for them."""
_MODELS = {
    ProviderType.OPENAI: ("/models", ""),
    ProviderType.ANTHROPIC: ("/v1/models", "limit=1"),
    ProviderType.COPILOT: ("/models", ""),
}
"""Where each lists its models: what costs nothing and needs the key. AWS's signers get the same answer to anything."""
_HEADERS = ((b"accept", b"application/json"), (b"anthropic-version", b"2023-06-01"))
_LOOK = "Look at its base URL, and whether this machine reaches it (DNS, firewall, HTTPS_PROXY, SSL_CERT_FILE)."


class Prober:
    """Calls providers in the way that requests do, with the key that the next request would show."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        transport: Transport,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers = providers
        self._transport = transport
        self._monotonic = monotonic
        self._next: dict[str, float] = {}

    async def probe(self, name: str) -> Probe | None:
        """What came of it; None when there is no such provider.

        Raises:
            ProbedTooSoon: it was called a moment ago.
        """
        provider = self._providers.get(name)
        if provider is None:
            return None
        began = self._monotonic()
        if (wait := self._next.get(name, began) - began) > 0:
            raise ProbedTooSoon(wait)
        self._next[name] = began + _EVERY
        credential = pooled(provider, provider.pool.usable() or 0) if len(provider.pool) else Credential("none", "")
        at = datetime.now(UTC)
        status, ok, message = None, False, ""
        try:
            answer = await self._ask(provider, credential)
        except Unsigned as reason:
            message = str(reason)
        except (Unreachable, ConnectTimeout) as error:
            message = f"{_sentence(error)} {_LOOK}"
        except UpstreamError as error:
            message = f"{_sentence(error)} It may have trouble, or something on the way may."
        except TimeoutError:
            message = f"The provider did not answer within {_PATIENCE:g} s. {_LOOK}"
        else:
            status, (ok, message) = answer.status, _judged(provider, credential, answer)
        took = round((self._monotonic() - began) * 1000)
        return Probe(name=name, ok=ok, status=status, latency_ms=took, key=credential.hint, message=message, at=at)

    async def _ask(self, provider: Provider, credential: Credential) -> UpstreamAnswer:
        """The head of the provider's answer."""
        path, query = _MODELS[provider.type]
        request = UpstreamRequest("GET", provider.url(path, query), [*_HEADERS, *credential.headers], b"")
        async with asyncio.timeout(_PATIENCE):
            if credential.signer is not None:
                request = await credential.signer.sign(request)
            answer = await self._transport.send(request)
        answer.close()
        return answer


def _judged(provider: Provider, credential: Credential, answer: UpstreamAnswer) -> tuple[bool, str]:
    """Whether it is good, and what to tell."""
    status = answer.status
    if not len(provider.pool):
        # Where people bring their own key there is none to try.
        if status in {401, 403} or (provider.takes_logins_alone and 400 <= status < 500):
            return True, "The provider can be reached. People's own keys and logins cannot be tried from here."
        if 200 <= status < 300:
            return True, "The provider answers without a key. People's own keys cannot be tried from here."
    if status in {401, 403}:
        return False, "The provider refused the key. Renew it, or set the right one, and start the server again."
    if status == 429:
        return True, "The provider knows the key, which is at its rate limit now."
    if credential.signer is not None and 400 <= status < 500:
        return True, "AWS took the signature. Whether it lets you use a model shows with a request."
    if 200 <= status < 300 and b"json" in header(answer, b"content-type").lower():
        return True, "The provider answered and took the key."
    return False, _trouble(status)


def _trouble(status: int) -> str:
    if 200 <= status < 300:
        return "Something answered that is no API of a provider. Look at the base URL."
    if status in {404, 405}:
        return "There is no list of models below the base URL. Is its path right? Requests may work all the same."
    if 300 <= status < 400:
        return "The base URL leads elsewhere, and redirects are not followed. Set the address where it leads."
    if status >= 500:
        return "The provider, or something before it, has trouble of its own. Try again later."
    return "The provider did not understand a simple call. Look at the base URL and the type of the provider."


def _sentence(error: UpstreamError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
