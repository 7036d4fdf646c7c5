"""One turn on its way: answers of the provider, the calls that they make, and one answer for the client.

What the client may see flows at once. Only the model's calls of ours are held back, and the end until it is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from aigateway.audit.journal import JournalUnavailable
from aigateway.gateway.exchange import Exchange, Interrupted, Reason
from aigateway.gateway.inner.calling import Caller
from aigateway.gateway.inner.ledger import TRUNCATED, Ledger
from aigateway.gateway.inner.limits import Limits
from aigateway.gateway.inner.memory import Memory
from aigateway.gateway.inner.reached import Call, Reached
from aigateway.gateway.patience import Patience
from aigateway.gateway.refusal import INTERCEPTION_HEADER, Refusal, stopping
from aigateway.gateway.relay import MESSAGES
from aigateway.gateway.request import Send
from aigateway.gateway.transport import Truncated
from aigateway.providers.headers import to_client
from aigateway.providers.upstream import UpstreamAnswer, header
from aigateway.wire.errors import error_event
from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.feeding import fed_back, result_element, without_calls
from aigateway.wire.inner.joining import HeldBack, MixedTurn
from aigateway.wire.inner.turn import CallResult, Round, Turn, Untellable
from aigateway.wire.observe import observer_for
from aigateway.wire.observer import Observer

KEEPALIVE_SECONDS = 10.0
_KEEPALIVE = b": keepalive\n\n"
_REST_SECONDS = 1.0
"""How long the rest of an answer that had its end is waited for, so that its connection can be used again."""
_CANCEL_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What one turn is made of."""

    api: ApiFormat
    turn: Turn
    ledger: Ledger
    caller: Caller
    limits: Limits
    memory: Memory
    user_id: str
    call: Call
    send: Send
    exchange: Exchange
    patience: Patience


class _Failed(Exception):
    """The provider did not go on with the turn; the sentence is for the client."""

    def __init__(self, message: str, kind: str = "api_error") -> None:
        super().__init__(message)
        self.kind = kind


class Telling:
    """Of one request."""

    def __init__(self, conversation: Conversation, first: Reached, body: bytes) -> None:
        """Take the first answer, and the request that it answers."""
        self._conversation = conversation
        self._reached = first
        self._body = body
        self._streams = first.streams
        self._started = False
        self._held: list[HeldBack] = []
        self._first_id = ""

    async def run(self) -> None:
        """Tell it to the end, or to where it breaks; either way the record knows and the client is told.

        Raises:
            Refusal: nothing was sent yet.

        """
        exchange, ledger = self._conversation.exchange, self._conversation.ledger
        try:
            with exchange.interruptible():
                rest = await self._tell()
            exchange.finish()
            await self._end(rest)
        except Interrupted as interrupted:
            ledger.cut(interrupted.reason.value, MESSAGES[interrupted.reason])
            if interrupted.reason is not Reason.CLIENT_GONE:
                await self._break_off(MESSAGES[interrupted.reason], stopping())
        except (Truncated, Untellable) as error:
            ledger.cut("upstream_truncated", str(error))
            await self._break_off(f"{error}.", Refusal(502, f"{error}.", error_type="upstream_truncated"))
        except _Failed as error:
            await self._break_off(str(error), None, kind=error.kind)
        except Refusal as refusal:
            if self._started:
                ledger.cut(refusal.error_type, refusal.message)
            await self._break_off(refusal.message.removeprefix("AI Gateway: "), refusal)
        except JournalUnavailable as error:
            unrecorded = Refusal(503, f"the request cannot be put on record ({error}).")
            await self._break_off("what the answer used cannot be put on record.", unrecorded)
        finally:
            exchange.finish()
            self._reached.answer.close()

    async def _tell(self) -> bytes:
        """Everything but the last bytes, which are given back once all is on record."""
        talk = self._conversation
        if self._streams:
            await self._start(self._reached.answer, None)
        rounds = 0
        while True:
            await self._one_answer()
            came = talk.turn.round()
            if not talk.ledger.whole:
                raise Truncated(TRUNCATED.rstrip("."))
            self._first_id = self._first_id or came.response_id
            if not came.calls or rounds > talk.limits.rounds:
                break
            await talk.ledger.goes_on()
            late = rounds == talk.limits.rounds and came.goes_on
            results = await (talk.caller.refuse(came) if late else self._alive(talk.caller.make(came)))
            self._hold(came, results)
            if not came.goes_on:
                self._remember(came)
                break
            rounds += 1
            await self._show(talk.turn.next_answer())
            body = fed_back(talk.api, self._body, came, results)
            await self._go_on(without_calls(talk.api, body) if late else body)
        if came.response_id != self._first_id and talk.api is ApiFormat.RESPONSES:
            talk.memory.remember_response(talk.user_id, self._first_id, came.response_id)
        if not self._started:
            await talk.ledger.begun(self._reached.answer.status)
        await talk.ledger.end()
        return talk.turn.ending()

    async def _one_answer(self) -> None:
        talk, reached = self._conversation, self._reached
        exchange = talk.exchange
        talk.ledger.answer(_observer(talk.api, reached.answer), status=reached.answer.status, streams=reached.streams)
        try:
            talk.patience.begin(exchange)
            while piece := await reached.answer.read():
                exchange.silent = 0
                talk.ledger.piece(piece)
                shown = talk.turn.feed(piece if reached.outgoing is None else reached.outgoing.feed(piece))
                if talk.ledger.over and not talk.turn.finished:
                    await talk.ledger.end()  # an error ended it, and the client is about to see that
                await self._show(shown)
                exchange.silent = 0
                if talk.turn.finished:
                    await self._rest()
                    break
            if reached.outgoing is not None:
                await self._show(talk.turn.feed(reached.outgoing.end()))
        finally:
            talk.patience.end(exchange)

    async def _rest(self) -> None:
        """What comes behind the end: comments at most."""
        answer = self._reached.answer
        try:
            async with asyncio.timeout(_REST_SECONDS):
                while piece := await answer.read():
                    self._conversation.ledger.piece(piece)
                    await self._show(self._conversation.turn.feed(piece))
        except (TimeoutError, Truncated):
            answer.close()

    async def _alive(self, calls: Awaitable[list[CallResult]]) -> list[CallResult]:
        """The results, with signs of life for the client while it waits for them."""
        making = asyncio.ensure_future(calls)
        try:
            while not (await asyncio.wait({making}, timeout=KEEPALIVE_SECONDS))[0]:
                await self._show(_KEEPALIVE if self._streams else b"")
        except BaseException:
            making.cancel()
            await asyncio.wait({making}, timeout=_CANCEL_SECONDS)
            raise
        return making.result()

    def _hold(self, came: Round, results: list[CallResult]) -> None:
        api = self._conversation.api
        earlier = [HeldBack(held.call, held.result, last=False) for held in self._held]
        self._held = earlier + [
            HeldBack(result.call.raw, result_element(api, result), last=not came.goes_on) for result in results
        ]

    def _remember(self, came: Round) -> None:
        """For when the client answers its own calls; what it cannot name is not found again."""
        ids = tuple(call_id for call_id in came.client_calls if call_id)
        if ids:
            self._conversation.memory.remember_turn(self._conversation.user_id, MixedTurn(ids, tuple(self._held)))

    async def _go_on(self, body: bytes) -> None:
        """Ask again. Raises `_Failed` and `Refusal`."""
        talk = self._conversation
        self._reached.answer.close()
        self._body = body
        self._reached = reached = await talk.call(body)
        if reached.tellable and reached.streams == self._streams:
            return
        answer = reached.answer
        talk.ledger.answer(_observer(talk.api, answer), status=answer.status, streams=False)
        collected = bytearray()
        while (piece := await answer.read()) and len(collected) < talk.limits.result_bytes:
            talk.ledger.piece(piece)
            collected += piece
        if answer.status < 400:
            kind = header(answer, b"content-type").decode("latin-1", "replace")
            raise Untellable(f"the provider went on with an answer of another kind ({kind[:64]})")
        if not self._started:
            await talk.ledger.begun(answer.status)
        error = talk.ledger.facts().error
        message = talk.ledger.failed()
        if not self._started:
            await self._relay(answer, bytes(collected))
        raise _Failed(f"the provider did not go on: {message}", error.type if error is not None else "api_error")

    async def _relay(self, answer: UpstreamAnswer, body: bytes) -> None:
        """The provider's own refusal, where the client has nothing yet."""
        await self._start(answer, len(body))
        await self._conversation.send({"type": "http.response.body", "body": body, "more_body": False})

    async def _start(self, answer: UpstreamAnswer, length: int | None) -> None:
        talk = self._conversation
        await talk.ledger.begun(answer.status)
        headers = [field for field in to_client(answer.headers) if field[0] != b"content-length"]
        headers.append((INTERCEPTION_HEADER, talk.ledger.interception.id.encode()))
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        self._started = True
        await talk.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if length is None:  # what follows may take its time
            await talk.send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _show(self, data: bytes) -> None:
        if data:
            await self._conversation.send({"type": "http.response.body", "body": data, "more_body": True})

    async def _end(self, rest: bytes) -> None:
        if not self._started:
            await self._start(self._reached.answer, len(rest))
        await self._conversation.send({"type": "http.response.body", "body": rest, "more_body": False})

    async def _break_off(self, message: str, refusal: Refusal | None, *, kind: str = "api_error") -> None:
        """Let the client know that this is no clean end. It has whole events, so that one more is always read."""
        if not self._started and refusal is not None:
            raise refusal
        if self._started and self._streams:
            event = error_event(self._conversation.api, f"AI Gateway: {message}", type=kind)
            await self._conversation.send({"type": "http.response.body", "body": event, "more_body": False})


def _observer(api: ApiFormat, answer: UpstreamAnswer) -> Observer:
    return observer_for(
        api,
        content_type=header(answer, b"content-type").decode("latin-1"),
        content_encoding=header(answer, b"content-encoding").decode("latin-1"),
        status=answer.status,
    )
