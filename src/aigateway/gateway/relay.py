"""Step 9: piece for piece from the provider to the client, with a witness beside it (decision 8).

Back-pressure goes both ways: a slow client is waited for, and while it is nothing is read from the provider.
"""

from __future__ import annotations

from asyncio import CancelledError, Future

from aigateway.audit.journal import JournalUnavailable
from aigateway.gateway.client import Client
from aigateway.gateway.exchange import Exchange, Reason
from aigateway.gateway.flow import flow_of
from aigateway.gateway.patience import Patience
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

    __slots__ = (
        "_answer",
        "_api",
        "_client",
        "_due",
        "_exchange",
        "_held",
        "_outgoing",
        "_started",
        "_witness",
    )

    def __init__(
        self, answer: UpstreamAnswer, client: Client, api: ApiFormat, witness: Witness, outgoing: Outgoing | None = None
    ) -> None:
        self._answer = answer
        self._client = client
        self._api = api
        self._witness = witness
        self._outgoing = outgoing
        self._exchange: Exchange
        self._started = False
        self._due: Future[None] | None = None
        """What has to be on record before `_held` may go out."""
        self._held = b""

    async def run(self, exchange: Exchange, extra_headers: list[tuple[bytes, bytes]], patience: Patience) -> None:
        """Relay to the end, or to where it breaks; either way the record knows and the client is told.

        The exchange is one that can be broken off, and cannot any more once this is over.

        Raises:
            Refusal: nothing was sent yet, and the request cannot be put on record.

        """
        self._exchange = exchange
        witness = self._witness
        waits = False
        try:
            await witness.begin()
            self._begin(extra_headers)
            flow = flow_of(self._answer)
            handed = flow.hand_over(self._take)
            if handed is None:
                self._client.flush()
            if not handed and not flow.whole:
                waits = True
                patience.begin(exchange)
            while not handed:
                if handed is not None:
                    await self._catch_up()
                handed = await flow.forward(self._take)
            self._end(whole=await witness.end())
        except (CancelledError, Truncated, JournalUnavailable) as error:
            self._cut_short(error)
        finally:
            if waits:
                patience.end(exchange)
            self._answer.close()

    def _begin(self, extra_headers: list[tuple[bytes, bytes]]) -> None:
        headers = to_client(self._answer.headers)
        headers += extra_headers
        self._started = True
        self._client.begin(self._answer.status, headers)

    def _end(self, *, whole: bool) -> None:
        self._exchange.finish()
        if not whole:
            self._break_off("the provider ended its stream before the answer was complete.")
        elif self._outgoing is None:
            self._client.end()
        else:
            self._client.end(self._outgoing.end())

    def _cut_short(self, error: BaseException) -> None:
        reason = None
        if isinstance(error, CancelledError):
            reason = self._exchange.caught()
            if reason is None:
                raise error
        self._exchange.finish()
        if isinstance(error, Truncated):
            self._witness.cut("upstream_truncated", str(error))
            self._break_off(f"{error}.")
        elif isinstance(error, JournalUnavailable):
            if not self._started:
                raise Refusal(503, f"the request cannot be put on record ({error}).") from error
            self._break_off("what the answer used cannot be put on record.")
        elif reason is not None:
            self._witness.cut(reason.value, MESSAGES[reason])
            if reason is Reason.CLIENT_GONE:
                return
            if not self._started:
                raise stopping() from None
            self._break_off(MESSAGES[reason])

    def _take(self, piece: bytes) -> bool:
        """Hand a piece on; False where something has to be waited for first."""
        self._exchange.silent = 0
        due = self._witness.piece(piece)
        if due is not None and not (due.done() and not due.cancelled() and due.exception() is None):
            self._due, self._held = due, piece
            return False
        if self._outgoing is not None:
            piece = self._outgoing.feed(piece)
        return self._client.write(piece)

    async def _catch_up(self) -> None:
        """Wait for the record, and for the client."""
        due, self._due = self._due, None
        taken = False
        if due is not None:
            await due
            held = self._held if self._outgoing is None else self._outgoing.feed(self._held)
            taken = self._client.write(held)
        if not taken:
            await self._client.drained()
        self._exchange.silent = 0

    def _break_off(self, message: str) -> None:
        """Let the client know that this is no clean end: an error event where one can be read, else a cut connection.

        An answer that had come to its own end is ended cleanly, since the client has all of it.

        Returning without the last message makes the server close the connection.
        """
        if self._witness.complete and not header(self._answer, b"content-length"):
            rest = b"" if self._outgoing is None else self._outgoing.end()
            self._client.end(rest)
        elif self._started and self._takes_an_event():
            event = error_event(self._api, f"AI Gateway: {message}", type="api_error")
            self._client.end(event)

    def _takes_an_event(self) -> bool:
        """Whether an event sent now is read as one: not in a compressed stream, nor in the middle of an event.

        Anthropic's error event turns what was half sent into a ping, so that one can come anywhere.
        """
        if not is_event_stream(header(self._answer, b"content-type")) or header(self._answer, b"content-encoding"):
            return False
        mid_event = self._witness.mid_event if self._outgoing is None else self._outgoing.mid_event
        return self._api is ApiFormat.MESSAGES or not mid_event
