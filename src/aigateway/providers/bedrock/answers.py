"""Answers of Bedrock as a client of Anthropic's API can read them. Each is made around an answer of the transport's."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aigateway.providers.bedrock import errors
from aigateway.providers.bedrock.stream import ServerSentEvents
from aigateway.providers.upstream import UpstreamAnswer, header

Headers = Sequence[tuple[bytes, bytes]]

_EVENT_STREAM = b"application/vnd.amazon.eventstream"
_LARGEST_ERROR = 1 << 20
_NO_COUNTING = "counting tokens"
"""In what Bedrock says of a model whose tokens it does not count."""


class _Counted(msgspec.Struct, rename="camel"):
    input_tokens: int


class RelabelledAnswer:
    """The same bytes under other headers."""

    def __init__(self, answer: UpstreamAnswer, extra: Headers) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers: Headers = (*answer.headers, *extra)

    async def read(self) -> bytes:
        """The next piece; see `UpstreamAnswer`."""
        return await self._answer.read()

    def close(self) -> None:
        """Give up what has not been read."""
        self._answer.close()


class StreamedAnswer:
    """The event stream as server-sent events."""

    def __init__(self, answer: UpstreamAnswer, extra: Headers) -> None:
        self._answer = answer
        self._events = ServerSentEvents()
        self.status = answer.status
        self.headers: Headers = (*_without_body_headers(answer), (b"content-type", b"text/event-stream"), *extra)

    async def read(self) -> bytes:
        """What comes of the next piece that holds a whole event; see `UpstreamAnswer`."""
        while piece := await self._answer.read():
            if events := self._events.feed(piece):
                return events
        return b""

    def close(self) -> None:
        """Give up what has not been read."""
        self._answer.close()


class WholeAnswer:
    """A short answer that was read and made anew."""

    def __init__(self, answer: UpstreamAnswer, status: int, body: bytes, extra: Headers) -> None:
        self._answer = answer
        self._body = body
        self.status = status
        self.headers: Headers = (
            *_without_body_headers(answer),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *extra,
        )

    async def read(self) -> bytes:
        """All of it, then nothing."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """Give up what has not been read."""
        self._answer.close()


class _Begun:
    """An answer whose beginning was read already, and is too long or too odd to be changed."""

    def __init__(self, answer: UpstreamAnswer, begun: bytes) -> None:
        self._answer = answer
        self._begun = begun
        self.status = answer.status
        self.headers: Headers = answer.headers

    async def read(self) -> bytes:
        """The beginning, then the rest."""
        begun, self._begun = self._begun, b""
        return begun or await self._answer.read()

    def close(self) -> None:
        """Give up what has not been read."""
        self._answer.close()


async def invoked(answer: UpstreamAnswer, extra: Headers) -> UpstreamAnswer:
    """The answer of InvokeModel or InvokeModelWithResponseStream; `extra` are headers to be added."""
    extra = (*extra, *_request_id(answer))
    if answer.status >= 400:
        return await _failed(answer, extra)
    if header(answer, b"content-type").partition(b";")[0].strip().lower() == _EVENT_STREAM:
        return StreamedAnswer(answer, extra)
    return RelabelledAnswer(answer, extra)


async def counted(answer: UpstreamAnswer, model: str) -> UpstreamAnswer:
    """The answer of CountTokens as that of Anthropic's `count_tokens`."""
    extra = _request_id(answer)
    if answer.status >= 400:
        return await _failed(answer, extra, uncounted=model)
    body = await _whole(answer)
    try:
        count = msgspec.json.decode(body, type=_Counted).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Begun(answer, body)
    return WholeAnswer(answer, answer.status, b'{"input_tokens":%d}' % count, extra)


async def _failed(answer: UpstreamAnswer, extra: Headers, uncounted: str | None = None) -> UpstreamAnswer:
    """An error of AWS in Anthropic's shape; one that is not AWS's stays as it is."""
    body = await _whole(answer)
    message = errors.words(body)
    if message is None or len(body) > _LARGEST_ERROR:
        return RelabelledAnswer(_Begun(answer, body), extra)
    request_id = header(answer, b"x-amzn-requestid").decode("latin-1")
    name = header(answer, b"x-amzn-errortype").decode("latin-1")
    status = answer.status
    if uncounted is not None and status == 400 and _NO_COUNTING in message:
        status, name = 404, "ResourceNotFoundException"
        message = f"Amazon Bedrock counts no tokens for {uncounted}: {message}"
    return WholeAnswer(answer, status, errors.body(status, name, message, request_id), extra)


async def _whole(answer: UpstreamAnswer) -> bytes:
    """The body, or a beginning that is longer than any error."""
    body = bytearray()
    while len(body) <= _LARGEST_ERROR and (piece := await answer.read()):
        body += piece
    return bytes(body)


def _request_id(answer: UpstreamAnswer) -> Headers:
    """AWS's request id under the name by which Anthropic's SDKs show it."""
    request_id = header(answer, b"x-amzn-requestid")
    return ((b"request-id", request_id),) if request_id and not header(answer, b"request-id") else ()


def _without_body_headers(answer: UpstreamAnswer) -> Headers:
    gone = (b"content-type", b"content-length", b"content-encoding")
    return tuple((name, value) for name, value in answer.headers if name.lower() not in gone)
