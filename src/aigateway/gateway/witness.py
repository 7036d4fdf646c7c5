"""What goes along beside the bytes: the record of an intercepted answer, or nothing for one that passes through."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from aigateway.audit.recorder import Interception, Outcome
from aigateway.gateway.exchange import Reason
from aigateway.wire.facts import AnswerError, AnswerFacts
from aigateway.wire.observer import Observer

CLIENT_GONE = Reason.CLIENT_GONE.value
CLIENT_GONE_MESSAGE = "The client went away before the answer was complete."
_STATUS_KINDS = {401: "unauthorized", 403: "unauthorized", 408: "timeout", 429: "rate_limited", 504: "timeout"}
_OVERLOADED = frozenset({503, 529})


class Witness(Protocol):
    """Sees each piece before the client does."""

    @property
    def mid_event(self) -> bool:
        """Whether the last piece ended inside an event of a stream."""

    @property
    def complete(self) -> bool:
        """Whether the answer's own end has gone by and is on record: what breaks then breaks nothing."""

    async def begin(self) -> None:
        """Before the status goes out. Raises `JournalUnavailable`."""

    def piece(self, data: bytes) -> Future[None] | None:
        """Before a piece goes out: what it must wait for, if anything. Raises `JournalUnavailable`, and so may that."""

    async def end(self) -> bool:
        """Before the answer ends; False when the provider ended it too early. Raises `JournalUnavailable`."""

    def cut(self, error_type: str, message: str) -> None:
        """The answer was broken off."""


class Recording:
    """Observes an answer, and sees to it that nothing ends before what it used is on record."""

    _bytes = 0
    _first_byte_ms: int | None = None
    _begun = False
    _mid_event = False
    _had_its_end = False
    _committed: Future[None] | None = None

    def __init__(
        self,
        interception: Interception,
        observer: Observer,
        *,
        status: int,
        streaming: bool,
        length: int | None,
        served_by: str | None = None,
        deserted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take what the record should know of the answer beforehand.

        The masked credential that served is given where it is not the one that the request began with; `deserted` tells
        whether the client is gone and what comes is read for the record alone.
        """
        self._interception = interception
        self._observer = observer
        self._status = status
        self._streaming = streaming
        self._length = length
        self._served_by = served_by
        self._deserted = deserted

    @property
    def mid_event(self) -> bool:
        """Inside an event, as far as the observer knows."""
        return self._mid_event or self._observer.mid_event

    def _facts(self) -> AnswerFacts:
        # Asking for the facts ends the observation: half an event is forgotten then.
        self._mid_event = self._observer.mid_event
        return self._observer.facts()

    async def begin(self) -> None:
        """Wait until the request is on record."""
        await self._interception.started
        self._begun = not self._deserted()

    def piece(self, data: bytes) -> Future[None] | None:
        """Observe; with the piece that holds the answer's end, the usage has to be on record first."""
        if self._first_byte_ms is None:
            self._first_byte_ms = self._interception.elapsed_ms()
        come = self._bytes = self._bytes + len(data)
        observer = self._observer
        observer.feed(data)
        if (come == self._length or observer.complete) and not self._interception.closed:
            self._close()
            return self._committed
        return None

    async def end(self) -> bool:
        """Put the usage and the end on record, unless they are."""
        if self._interception.closed:
            return True
        whole = self._close()
        if self._committed is not None:
            await self._committed
        return whole

    @property
    def complete(self) -> bool:
        """The answer's own end is on record."""
        committed = self._committed
        return (
            self._had_its_end
            and committed is not None
            and committed.done()
            and not committed.cancelled()
            and committed.exception() is None
        )

    def _close(self) -> bool:
        facts = self._facts()
        whole = facts.complete or not self._streaming or self._status >= 400 or facts.error is not None
        error_type, message = self._verdict(facts, whole=whole)
        outcome = self._outcome(error_type, message, facts)
        if self._deserted():
            metadata = outcome.metadata | {"drained": whole}
            outcome = replace(outcome, error_type=CLIENT_GONE, error_message=CLIENT_GONE_MESSAGE, metadata=metadata)
        self._committed = self._interception.close(outcome, facts)
        self._had_its_end = facts.complete
        return whole

    def cut(self, error_type: str, message: str) -> None:
        """Put what is known on record, as far as it got."""
        if not self._interception.closed:
            facts = self._facts()
            self._interception.close(self._outcome(error_type, message, facts), facts)

    def _verdict(self, facts: AnswerFacts, *, whole: bool) -> tuple[str | None, str | None]:
        if self._status >= 400:
            return kind_of_status(self._status), facts.error.message if facts.error else None
        if facts.error is not None:
            return kind_of_error(facts.error), facts.error.message
        if not whole:
            return "upstream_truncated", "The provider ended its stream before the answer was complete."
        return None, None

    def _outcome(self, error_type: str | None, message: str | None, facts: AnswerFacts) -> Outcome:
        return Outcome(
            status_code=self._status if self._begun else None,
            error_type=error_type,
            error_message=message,
            response_bytes=self._bytes,
            time_to_first_byte_ms=self._first_byte_ms,
            credential_hint=self._served_by,
            metadata=noted(facts),
        )


def noted(facts: AnswerFacts) -> dict[str, Any]:
    """What the metadata of an interception's end says of its answer."""
    metadata: dict[str, Any] = {}
    if facts.unreadable:
        metadata["unreadable"] = facts.unreadable
    if facts.model:
        metadata["response_model"] = facts.model
    if facts.error is not None and facts.error.type:
        metadata["provider_error_type"] = facts.error.type
    return metadata


class Unrecorded:
    """Passing through: nothing is observed."""

    mid_event = True
    """For all it knows."""
    complete = False
    """As far as it knows."""

    async def begin(self) -> None:
        """Nothing to wait for."""

    def piece(self, data: bytes) -> None:
        """Nothing to see."""

    async def end(self) -> bool:
        """Whatever came was all."""
        return True

    def cut(self, error_type: str, message: str) -> None:
        """Nothing to tell."""


def kind_of_status(status: int) -> str:
    """The record's word for a provider's status."""
    if status in _OVERLOADED:
        return "overloaded"
    if kind := _STATUS_KINDS.get(status):
        return kind
    return "server_error" if status >= 500 else "bad_request"


def kind_of_error(error: AnswerError) -> str:
    """The record's word for an error inside a stream, which has no status of its own."""
    words = error.type.lower()
    kinds = {
        "overloaded": "overloaded",
        "rate_limit": "rate_limited",
        "invalid": "bad_request",
        "incomplete": "incomplete",  # a token limit or a content filter: nobody's server failed
    }
    for part, kind in kinds.items():
        if part in words:
            return kind
    return "server_error"
