"""Step 8: the call. One more try only where nothing can have been done twice (decision 9)."""

from __future__ import annotations

from aigateway.audit.dumps.dumps import Series
from aigateway.gateway.deadline import Deadlines
from aigateway.gateway.dump import DumpedTransport
from aigateway.gateway.failover import Attempt, Served, stands_in, with_failover
from aigateway.gateway.head import Sent
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
        self._first_byte = Deadlines(first_byte_timeout)
        self.idle_timeout = idle_timeout
        self._events = events

    async def call(
        self,
        request: Request,
        credential: Credential,
        own_headers: OwnHeaders,
        dumps: Series | None = None,
        edit: Edit | None = None,
    ) -> Served:
        """Send the client's request as the provider gets it, and wait for the answer's headers.

        The body is the same; the place, the credential and the headers of `to_upstream` are not. What else differs is
        the declared edit's doing, and so is what differs in the answer. Another key of the pool may have to serve.

        Raises:
            Refusal: 502 when the provider cannot be reached, 504 when it is too slow to connect or to begin its answer,
                503 when the gateway has no credential to sign with, 429 or 502 when no key of several can be used, and
                what the edit refuses.

        """
        provider = request.route.provider
        if dumps is None and edit is None and credential.signer is None and not stands_in(provider, credential):
            # Nearly every request.
            sent = request.head.sent
            if sent is None or sent.credential is not credential or sent.own != own_headers:
                sent = _sent(request, credential, own_headers)
            upstream = UpstreamRequest(request.method, sent.url, sent.headers, request.body)
            return Served(await self._send_safely(self._transport, upstream), credential)
        upstream = UpstreamRequest(
            method=request.method,
            url=provider.url(request.route.path, request.query),
            headers=to_upstream(request.raw_headers, (), own_headers),
            body=request.body,
        )
        transport = self._transport if dumps is None else DumpedTransport(self._transport, dumps)
        if edit is None:
            return await with_failover(provider, credential, self._attempt(transport, upstream), self._events)
        edited = _edited(edit, upstream)
        served = await with_failover(provider, credential, self._attempt(transport, edited), self._events)
        instead = edit.instead(served.answer.status, upstream)
        if instead is not None:
            served.answer.close()
            served = await with_failover(provider, served.credential, self._attempt(transport, instead), self._events)
        return Served(await self._edited_answer(edit, served.answer), served.credential)

    def _attempt(self, transport: Transport, upstream: UpstreamRequest) -> Attempt:
        async def attempt(credential: Credential) -> UpstreamAnswer:
            headers = [*upstream.headers, *credential.headers]
            shown = UpstreamRequest(upstream.method, upstream.url, headers, upstream.body)
            if credential.signer is not None:
                shown = await credential.signer.sign(shown)
            return await self._send_safely(transport, shown)

        return attempt

    async def _send_safely(self, transport: Transport, request: UpstreamRequest) -> UpstreamAnswer:
        """Send; once more where it is certain that the provider has done nothing yet."""
        again = True
        while True:
            try:
                with self._first_byte.deadline():
                    return await transport.send(request)
            except ConnectTimeout as error:
                raise ProviderFailed(504, f"{error} (--ai-gateway-connect-timeout).", error_type="timeout") from error
            except TimeoutError as error:
                raise self._too_slow() from error
            except UpstreamError as error:
                nothing_done = isinstance(error, Unreachable) or (isinstance(error, Disconnected) and error.stale)
                if not (again and nothing_done):
                    raise _bad_gateway(error) from error
            again = False

    async def _edited_answer(self, edit: Edit, answer: UpstreamAnswer) -> UpstreamAnswer:
        try:
            with self._first_byte.deadline():
                return await edit.to_client(answer)
        except UpstreamError as error:
            answer.close()
            raise _bad_gateway(error) from error
        except TimeoutError as error:
            answer.close()
            raise self._too_slow() from error
        except BaseException:
            answer.close()
            raise

    def _too_slow(self) -> Refusal:
        return ProviderFailed(
            504,
            f"the provider did not begin its answer within {self._first_byte.seconds:g} s "
            "(--ai-gateway-first-byte-timeout).",
            error_type="timeout",
        )


def _sent(request: Request, credential: Credential, own_headers: OwnHeaders) -> Sent:
    """What goes up with the head of a request, from now on."""
    url = request.route.provider.url(request.route.path, request.query)
    headers = LastingHeaders(to_upstream(request.raw_headers, credential.headers, own_headers))
    sent = request.head.sent = Sent(url, headers, credential, own_headers)
    return sent


def _edited(edit: Edit, request: UpstreamRequest) -> UpstreamRequest:
    try:
        return edit.to_upstream(request)
    except NotServed as reason:
        raise Refusal(reason.status, str(reason)) from reason


def _bad_gateway(error: UpstreamError) -> Refusal:
    return ProviderFailed(502, f"{error}.", error_type="upstream_unreachable")
