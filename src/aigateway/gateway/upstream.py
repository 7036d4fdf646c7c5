"""Step 8: the call. One more try only where nothing can have been done twice (decision 9)."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from functools import partial

from aigateway.audit.dumps.dumps import Series
from aigateway.gateway.dump import DumpedTransport
from aigateway.gateway.exchange import Exchange
from aigateway.gateway.failover import Attempt, Served, with_failover
from aigateway.gateway.head import Sent
from aigateway.gateway.patience import Patience
from aigateway.gateway.refusal import ProviderFailed, Refusal
from aigateway.gateway.request import Request
from aigateway.gateway.transport import (
    ConnectTimeout,
    Disconnected,
    Transport,
    Unreachable,
    UpstreamError,
)
from aigateway.providers.credential import Credential
from aigateway.providers.edit import Edit, NotServed
from aigateway.providers.headers import OwnHeaders, to_upstream
from aigateway.providers.upstream import LastingHeaders, UpstreamAnswer, UpstreamRequest
from aigateway.telemetry.events import Events

_NOBODY_LISTENS = Events()


class Upstream:
    """Calls providers."""

    def __init__(
        self,
        transport: Transport,
        *,
        first_byte_timeout: float | None,
        idle_timeout: float | None,
        events: Events = _NOBODY_LISTENS,
    ) -> None:
        """Take the timeouts in seconds; None waits for ever."""
        self._transport = transport
        self._first_byte = Patience(first_byte_timeout)
        self.idle = Patience(idle_timeout)
        """With answers that have begun."""
        self._events = events

    def call(
        self,
        request: Request,
        credential: Credential,
        own_headers: OwnHeaders,
        exchange: Exchange,
        dumps: Series | None = None,
        edit: Edit | None = None,
    ) -> Awaitable[Served]:
        """Send the client's request as the provider gets it, and wait for the answer's headers.

        The body is the same; the place, the credential and the headers of `to_upstream` are not. What else differs is
        the declared edit's doing, and so is what differs in the answer. Another key of the pool may have to serve.
        The exchange is one that can be broken off.

        Raises:
            Refusal: 502 when the provider cannot be reached, 504 when it is too slow to connect or to begin its answer,
                503 when the gateway has no credential to sign with, 429 or 502 when no key of several can be used, and
                what the edit refuses.

        """
        if dumps is not None or edit is not None or credential is not request.head.credential:
            return self._call(request, credential, own_headers, exchange, dumps, edit)
        # Nearly every request.
        return self._send_safely(self._transport, _as_sent(request, credential, own_headers), credential, exchange)

    async def _call(
        self,
        request: Request,
        credential: Credential,
        own_headers: OwnHeaders,
        exchange: Exchange,
        dumps: Series | None,
        edit: Edit | None,
    ) -> Served:
        provider = request.route.provider
        transport = self._transport if dumps is None else DumpedTransport(self._transport, dumps)
        if edit is None:
            attempt = self._attempt(transport, exchange, lambda shown: _as_sent(request, shown, own_headers))
            return await with_failover(provider, credential, attempt, self._events)
        plain = UpstreamRequest(
            method=request.method,
            url=provider.url(request.route.path, request.query),
            headers=to_upstream(request.raw_headers, (), own_headers),
            body=request.body,
        )
        attempt = self._attempt(transport, exchange, partial(_showing, _edited(edit, plain)))
        served = await with_failover(provider, credential, attempt, self._events)
        instead = edit.instead(served.answer.status, plain)
        if instead is not None:
            served.answer.close()
            attempt = self._attempt(transport, exchange, partial(_showing, instead))
            served = await with_failover(provider, served.credential, attempt, self._events)
        return Served(await self._edited_answer(edit, served.answer, exchange), served.credential)

    def _attempt(
        self, transport: Transport, exchange: Exchange, asking: Callable[[Credential], UpstreamRequest]
    ) -> Attempt:
        async def attempt(credential: Credential) -> UpstreamAnswer:
            upstream = asking(credential)
            if credential.signer is not None:
                upstream = await credential.signer.sign(upstream)
            return (await self._send_safely(transport, upstream, credential, exchange)).answer

        return attempt

    async def _send_safely(
        self, transport: Transport, request: UpstreamRequest, credential: Credential, exchange: Exchange
    ) -> Served:
        """Send; once more where it is certain that the provider has done nothing yet."""
        patience, again = self._first_byte, True
        while True:
            try:
                patience.begin(exchange)
                return Served(await transport.send(request), credential)
            except ConnectTimeout as error:
                raise ProviderFailed(504, f"{error} (--ai-gateway-connect-timeout).", error_type="timeout") from error
            except CancelledError as error:
                if exchange.ran_out():
                    raise self._too_slow() from error
                raise
            except UpstreamError as error:
                nothing_done = isinstance(error, Unreachable) or (isinstance(error, Disconnected) and error.stale)
                if not (again and nothing_done):
                    raise _bad_gateway(error) from error
            finally:
                patience.end(exchange)
            again = False

    async def _edited_answer(self, edit: Edit, answer: UpstreamAnswer, exchange: Exchange) -> UpstreamAnswer:
        try:
            self._first_byte.begin(exchange)
            return await edit.to_client(answer)
        except UpstreamError as error:
            answer.close()
            raise _bad_gateway(error) from error
        except CancelledError as error:
            answer.close()
            if exchange.ran_out():
                raise self._too_slow() from error
            raise
        except BaseException:
            answer.close()
            raise
        finally:
            self._first_byte.end(exchange)

    def _too_slow(self) -> Refusal:
        return ProviderFailed(
            504,
            f"the provider did not begin its answer within {self._first_byte.seconds:g} s "
            "(--ai-gateway-first-byte-timeout).",
            error_type="timeout",
        )


def _as_sent(request: Request, credential: Credential, own_headers: OwnHeaders) -> UpstreamRequest:
    """A request that nothing edits, with a credential, as it goes up but for a signature."""
    head = request.head
    sent = head.sent
    if sent is None or sent.credential is not credential or sent.own != own_headers:
        url = request.route.provider.url(request.route.path, request.query)
        headers = LastingHeaders(to_upstream(head.headers, credential.headers, own_headers))
        sent = head.sent = Sent(url, headers, credential, own_headers)
    return UpstreamRequest(head.method, sent.url, sent.headers, request.body)


def _showing(request: UpstreamRequest, credential: Credential) -> UpstreamRequest:
    return UpstreamRequest(request.method, request.url, [*request.headers, *credential.headers], request.body)


def _edited(edit: Edit, request: UpstreamRequest) -> UpstreamRequest:
    try:
        return edit.to_upstream(request)
    except NotServed as reason:
        raise Refusal(reason.status, str(reason)) from reason


def _bad_gateway(error: UpstreamError) -> Refusal:
    return ProviderFailed(502, f"{error}.", error_type="upstream_unreachable")
