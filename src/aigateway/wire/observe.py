"""Observers: what stands beside a relay and reads the answer that goes by (`observer.Observer`)."""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from aigateway.wire.answers import Answer, error_in, excerpt
from aigateway.wire.chat import ChatAnswer
from aigateway.wire.encodings import Decoder, Undecodable
from aigateway.wire.facts import AnswerError, AnswerFacts, ApiFormat
from aigateway.wire.lenient import any_value
from aigateway.wire.messages import MessagesAnswer
from aigateway.wire.observer import Observer
from aigateway.wire.responses import ResponsesAnswer
from aigateway.wire.sse import SseSplitter

LARGEST_BODY = 64 * 1024 * 1024
"""Most bytes of a JSON answer that are kept to be read."""
LARGEST_ERROR = 1024 * 1024
"""Most bytes of an error answer that are kept to be read."""
LARGEST_DECODED = 256 * 1024 * 1024
"""Most bytes that a compressed answer may decode to before observation gives up on it."""
_BLANK = b"\n\n"
_START = 256
"""Bytes of a body that tell whether it is JSON at all."""
_OBJECT = b"{"
_EVENT_LINES = (b"data:", b"event:", b":")
_STEP = 1024 * 1024
"""Most decoded bytes that are handed on at once, so that a bomb of empty events stays small."""

_ANSWERS: dict[ApiFormat, type[Answer]] = {
    ApiFormat.CHAT: ChatAnswer,
    ApiFormat.RESPONSES: ResponsesAnswer,
    ApiFormat.MESSAGES: MessagesAnswer,
}


def observer_for(api: ApiFormat, *, content_type: str, content_encoding: str, status: int) -> Observer:
    """Give the observer for an answer with these header fields (empty if absent) and this status."""
    observer: Observer
    if status >= 400:
        observer = _ErrorObserver(status)
    elif _is_stream(content_type):
        observer = _StreamObserver(_ANSWERS[api]())
    else:
        observer = _BodyObserver(_ANSWERS[api]())
    if not content_encoding or content_encoding.strip().lower() in {"", "identity"}:
        return observer
    return _DecodingObserver(observer, content_encoding)


@lru_cache(maxsize=32)
def _is_stream(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "text/event-stream"


class _StreamObserver:
    """Reads an event stream as it comes."""

    complete = False
    _between_events = False

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._splitter = SseSplitter()

    @property
    def mid_event(self) -> bool:
        return self._splitter.mid_event

    def feed(self, data: bytes, /) -> None:
        if not self._between_events:
            self._read(data)
        # Most events only bring text. Telling so costs a tenth of reading them.
        elif not self._answer.only_text(data):
            if data.endswith(_BLANK):
                self._feed_each(data)
            else:
                self._read(data)

    def _feed_each(self, events: bytes) -> None:
        """Each in its turn: whether a delta is of a text, the events before it say."""
        for event in _whole_events(events):
            if not self._answer.only_text(event):
                self._read(event)

    def facts(self) -> AnswerFacts:
        for name, event in self._splitter.end():
            # Without a blank line after it an event is whole, if the provider forgot the line, or cut.
            if event.startswith(b"[DONE]") or any_value(event) is not None:
                self._take(name, event)
        if self._splitter.oversize:
            self._answer.note("An event was too large to read.")
        return self._answer.facts()

    def _read(self, data: bytes) -> None:
        for name, event in self._splitter.feed(data):
            self._take(name, event)
        self._between_events = self._splitter.between_events
        self.complete = self._answer.ended

    def _take(self, name: bytes, event: bytes) -> None:
        try:
            self._answer.on_event(name, event)
        except Exception as error:  # noqa: BLE001 - whatever an event holds, the relay goes on
            self._answer.note(f"An event could not be read ({error}).")


def _whole_events(data: bytes) -> list[bytes]:
    """Events with the blank line that ends each of them; `data` ends with one."""
    return [event + _BLANK for event in data.split(_BLANK)[:-1]]


class _Collecting:
    """Keeps a body, up to a bound."""

    _body: bytes | bytearray = b""
    _overflown = False
    _limit: int

    @property
    def mid_event(self) -> bool:
        return bool(self._body)

    def feed(self, data: bytes, /) -> None:
        if len(self._body) + len(data) > self._limit:
            self._overflown = True
            data = data[: self._limit - len(self._body)]
        if not self._body:
            self._body = data  # Most come in one piece, which needs no copy.
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body) + data


class _BodyObserver(_Collecting):
    """Collects a JSON body and reads it once, when it is over."""

    _facts: AnswerFacts | None = None

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._limit = LARGEST_BODY

    @property
    def complete(self) -> bool:
        return self._facts is not None and self._facts.complete

    def facts(self) -> AnswerFacts:
        if self._facts is None:
            self._facts = self._read()
        return self._facts

    def _read(self) -> AnswerFacts:
        body = self._body
        if self._overflown:
            self._answer.note(f"The answer is larger than {LARGEST_BODY} bytes.")
            return self._answer.facts()
        if not body.startswith(_OBJECT) and body[:_START].lstrip().startswith(_EVENT_LINES):
            stream = _StreamObserver(self._answer)
            stream.feed(bytes(body))
            return stream.facts()
        try:
            self._answer.on_body(body)
        except Exception as error:  # noqa: BLE001 - whatever a body holds, the relay goes on
            self._answer.note(f"The answer is not a whole JSON object ({error}).")
        return self._answer.facts()


class _ErrorObserver(_Collecting):
    """Collects an error answer and reads what the provider said."""

    complete = False

    def __init__(self, status: int) -> None:
        self._status = status
        self._limit = LARGEST_ERROR

    def facts(self) -> AnswerFacts:
        body = bytes(self._body)
        value = any_value(body)
        if value is None:
            splitter = SseSplitter()
            events = splitter.feed(body) + splitter.end()
            value = any_value(events[0][1]) if events else None
        fallback = f"http_{self._status}"
        error = error_in(value, fallback) or AnswerError(fallback, excerpt(body[:16384].decode("utf-8", "replace")))
        return AnswerFacts(complete=value is not None, error=error)


class _DecodingObserver:
    """Undoes the content encoding in front of another observer."""

    def __init__(self, inner: Observer, encoding: str) -> None:
        self._inner = inner
        self._decoder: Decoder | None = None
        self._unreadable: str | None = None
        try:
            self._decoder = Decoder(encoding, LARGEST_DECODED)
        except Undecodable as error:
            self._unreadable = str(error)

    @property
    def complete(self) -> bool:
        return self._inner.complete

    @property
    def mid_event(self) -> bool:
        """Nothing plain can follow compressed bytes."""
        return True

    def feed(self, data: bytes, /) -> None:
        if self._decoder is None:
            return
        try:
            decoded = self._decoder.feed(data)
        except Exception as error:  # noqa: BLE001 - whatever the bytes are, the relay goes on
            self._decoder = None
            self._unreadable = str(error)
            return
        for start in range(0, len(decoded), _STEP):
            self._inner.feed(decoded[start : start + _STEP])

    def facts(self) -> AnswerFacts:
        facts = self._inner.facts()
        return replace(facts, unreadable=self._unreadable or facts.unreadable)
