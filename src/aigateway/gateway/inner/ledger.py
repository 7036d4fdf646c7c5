"""What of a turn goes on record, and when: an answer before its calls are made, the end before the client has it."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from aigateway.audit.recorder import Interception, Outcome
from aigateway.gateway.witness import kind_of_error, kind_of_status, noted
from aigateway.wire.facts import AnswerFacts, Executor
from aigateway.wire.observer import Observer

TRUNCATED = "The provider ended its stream before the answer was complete."


class Ledger:
    """The record of one turn."""

    def __init__(self, interception: Interception, held: Collection[str], served_by: str | None) -> None:
        """Take the tools whose calls are the gateway's, and the credential that served if it is another one."""
        self.interception = interception
        self._held = held
        self._served_by = served_by
        self._observer: Observer | None = None
        self._status = 200
        self._streams = False
        self._told_status: int | None = None
        self._bytes = 0
        self._first_byte_ms: int | None = None
        self._facts: AnswerFacts | None = None
        self._on_record = True

    def answer(self, observer: Observer, *, status: int, streams: bool) -> None:
        """Another answer begins."""
        self._observer = observer
        self._status = status
        self._streams = streams
        self._facts = None
        self._on_record = False

    async def begun(self, status: int) -> None:
        """Wait until the request is on record: the client is about to get this status."""
        await self.interception.started
        self._told_status = status

    def piece(self, data: bytes) -> None:
        """Observe."""
        if self._first_byte_ms is None:
            self._first_byte_ms = self.interception.elapsed_ms()
        self._bytes += len(data)
        if self._observer is not None:
            self._observer.feed(data)

    @property
    def over(self) -> bool:
        """Whether the present answer's own end was seen, be it an error."""
        return self._observer is not None and self._observer.complete

    @property
    def whole(self) -> bool:
        """Whether the present answer came to an end of its own."""
        facts = self.facts()
        return facts.complete or not self._streams or self._status >= 400 or facts.error is not None

    def facts(self) -> AnswerFacts:
        """What the present answer used and did, without the calls that are the gateway's; no more bytes of it come."""
        if self._facts is None:
            found = self._observer.facts() if self._observer is not None else AnswerFacts(complete=False)
            calls = (c for c in found.tool_calls if c.executor is not Executor.CLIENT or c.name not in self._held)
            self._facts = replace(found, tool_calls=tuple(calls))
        return self._facts

    async def goes_on(self) -> None:
        """Put the present answer on record, before its calls are made."""
        self._on_record = True
        await self.interception.answered(self.facts())

    async def end(self) -> None:
        """Put the end on record, and the present answer unless it is."""
        if not self.interception.closed:
            await self.interception.close(self._outcome(*self._verdict()), None if self._on_record else self.facts())

    def cut(self, error_type: str, message: str) -> None:
        """Put on record that it was broken off, with what is known."""
        if not self.interception.closed:
            facts = None if self._on_record else self.facts()
            self.interception.close(self._outcome(error_type, message), facts)

    def failed(self) -> str:
        """The provider refused to go on: put that on record; give its words."""
        error = self.facts().error
        message = error.message if error is not None else f"status {self._status}"
        self.cut(kind_of_status(self._status), message)
        return message

    def _verdict(self) -> tuple[str | None, str | None]:
        error = self.facts().error
        if error is not None:
            return kind_of_error(error), error.message
        return (None, None) if self.whole else ("upstream_truncated", TRUNCATED)

    def _outcome(self, error_type: str | None, message: str | None) -> Outcome:
        return Outcome(
            status_code=self._told_status,
            error_type=error_type,
            error_message=message,
            response_bytes=self._bytes,
            time_to_first_byte_ms=self._first_byte_ms,
            credential_hint=self._served_by,
            metadata=noted(self.facts()),
        )
