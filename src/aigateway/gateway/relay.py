"""Step 9: piece for piece from the provider to the client, with a witness beside it (decision 8).

Back-pressure goes both ways: `send` waits for a slow client, and while it waits nothing is read from the provider.
"""

from __future__ import annotations

from asyncio import Future

from aigateway.audit.journal import JournalUnavailable
from aigateway.gateway.client import Client
from aigateway.gateway.exchange import Exchange, IdleTimer, Interrupted, Reason
from aigateway.gateway.flow import flow_of
from aigateway.gateway.refusal import Refusal, stopping
from aigateway.gateway.transport import Truncated
from aigateway.gateway.witness import Witness
from aigateway.providers.edit import Outgoing
from aigateway.providers.headers import to_client
from aigateway.providers.upstream import UpstreamAnswer, header
from aigateway.wire.errors import error_event
from aigateway.wire.facts import ApiFormat

MESSAGES = {
    Reason.CLIENT_GONE: "The client went away before the answer was complete.",
    Reason.UPSTREAM_IDLE: "The provider sent nothing more for too long (--ai-gateway-idle-timeout).",
    Reason.STOPPING: "The gateway was stopped before the answer was complete.",
}
"""What the record, and the client where it is there, are told of an exchange that was broken off."""


def is_event_stream(content_type: bytes) -> bool:
    """Whether an answer of this type is a stream of server-sent events."""
    return content_type.split(b";", 1)[0].strip().lower() == b"text/event-stream"


class Relay:
    """One answer on its way."""

    def __init__(
        self, answer: UpstreamAnswer, client: Client, api: ApiFormat, witness: Witness, outgoing: Outgoing | None = None
    ) -> None:
        self._answer = answer
        self._client = client
        self._send = client.send
        self._api = api
        self._witness = witness
        self._outgoing = outgoing
        self._started = False
        self._idle: IdleTimer | None = None
        self._due: Future[None] | None = None
        """What has to be on record before `_held` may go out."""
        self._held = b""

    async def run(
        self, exchange: Exchange, extra_headers: list[tuple[bytes, bytes]], idle_timeout: float | None
    ) -> None:
        """Relay to the end, or to where it breaks; either way the record knows and the client is told.

        Raises:
            Refusal: nothing was sent yet, and the request cannot be put on record.

        """
        try:
            with exchange.interruptible():
                await self._begin(extra_headers)
                whole = await self._copy(exchange, idle_timeout)
            exchange.unwatch_client()
            if whole:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await self._break_off("the provider ended its stream before the answer was complete.")
        except Interrupted as interrupted:
            self._witness.cut(interrupted.reason.value, MESSAGES[interrupted.reason])
            if interrupted.reason is not Reason.CLIENT_GONE:
                if not self._started:
                    raise stopping() from None
                await self._break_off(MESSAGES[interrupted.reason])
        except Truncated as error:
            self._witness.cut("upstream_truncated", str(error))
            await self._break_off(f"{error}.")
        except JournalUnavailable as error:
            if not self._started:
                raise Refusal(503, f"the request cannot be put on record ({error}).") from error
            await self._break_off("what the answer used cannot be put on record.")
        finally:
            exchange.unwatch_client()
            if self._idle is not None:
                self._idle.cancel()
            self._answer.close()

    async def _begin(self, extra_headers: list[tuple[bytes, bytes]]) -> None:
        await self._witness.begin()
        headers = to_client(self._answer.headers) + extra_headers
        self._started = True
        await self._send({"type": "http.response.start", "status": self._answer.status, "headers": headers})

    async def _copy(self, exchange: Exchange, idle_timeout: float | None) -> bool:
        flow = flow_of(self._answer)
        if not flow.whole:
            self._idle = IdleTimer(exchange, idle_timeout)
        if not flow.at_hand:
            self._client.flush()
        while not await flow.forward(self._take):
            await self._catch_up()
        whole = await self._witness.end()
        if whole and self._outgoing is not None and (rest := self._outgoing.end()):
            await self._send({"type": "http.response.body", "body": rest, "more_body": True})
        return whole

    def _take(self, piece: bytes) -> bool:
        """Hand a piece on; False where something has to be waited for first."""
        if self._idle is not None:
            self._idle.touch()
        due = self._witness.piece(piece)
        if due is not None and not (due.done() and not due.cancelled() and due.exception() is None):
            self._due, self._held = due, piece
            return False
        return self._hand_on(piece)

    def _hand_on(self, piece: bytes) -> bool:
        if self._outgoing is not None:
            piece = self._outgoing.feed(piece)
        return self._client.write(piece)

    async def _catch_up(self) -> None:
        """Wait for the record, and for the client."""
        due, self._due = self._due, None
        if due is not None:
            await due
            self._hand_on(self._held)
        await self._client.drained()
        if self._idle is not None:
            self._idle.touch()

    async def _break_off(self, message: str) -> None:
        """Let the client know that this is no clean end: an error event where one can be read, else a cut connection.

        An answer that had come to its own end is ended cleanly, since the client has all of it.

        Returning without the last message makes the server close the connection.
        """
        if self._witness.complete and not header(self._answer, b"content-length"):
            rest = b"" if self._outgoing is None else self._outgoing.end()
            await self._send({"type": "http.response.body", "body": rest, "more_body": False})
        elif self._started and self._takes_an_event():
            event = error_event(self._api, f"AI Gateway: {message}", type="api_error")
            await self._send({"type": "http.response.body", "body": event, "more_body": False})

    def _takes_an_event(self) -> bool:
        """Whether an event sent now is read as one: not in a compressed stream, nor in the middle of an event.

        Anthropic's error event turns what was half sent into a ping, so that one can come anywhere.
        """
        if not is_event_stream(header(self._answer, b"content-type")) or header(self._answer, b"content-encoding"):
            return False
        mid_event = self._witness.mid_event if self._outgoing is None else self._outgoing.mid_event
        return self._api is ApiFormat.MESSAGES or not mid_event
