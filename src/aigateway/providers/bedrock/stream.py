"""The event stream of InvokeModelWithResponseStream as the server-sent events that a Messages client asked for.

Each `chunk` holds one event of Anthropic's, as JSON in base64; it goes out as it is, live, in the framing of SSE.
"""

from __future__ import annotations

import msgspec

from aigateway.providers.bedrock import errors
from aigateway.wire.eventstream import EventStreamDecoder, EventStreamMessage, MalformedEventStream


class _Chunk(msgspec.Struct, rename={"data": "bytes"}):
    data: bytes
    """Decoded from base64."""


class _Event(msgspec.Struct):
    type: str


_CHUNK = msgspec.json.Decoder(_Chunk)
_EVENT = msgspec.json.Decoder(_Event)


class ServerSentEvents:
    """Takes the event stream's bytes, cut anywhere, and gives those of the SSE stream."""

    def __init__(self) -> None:
        self._decoder = EventStreamDecoder()
        self._broken = False

    def feed(self, data: bytes) -> bytes:
        """What the client gets for these bytes; nothing more behind bytes that are no event stream."""
        if self._broken:
            return b""
        pieces: list[bytes] = []
        try:
            for message in self._decoder.feed(data):
                pieces.append(_sse(message))  # noqa: PERF401 - what came before an error must be kept
        except MalformedEventStream as error:
            self._broken = True
            pieces.append(errors.event("", f"AI Gateway: the stream of Amazon Bedrock cannot be read: {error}."))
        return b"".join(pieces)


def _sse(message: EventStreamMessage) -> bytes:
    kind = message.text(":message-type")
    if kind == "exception":
        name = message.text(":exception-type")
        return errors.event(name, errors.words(message.payload) or name or "an exception without a name")
    if kind == "error":
        name = message.text(":error-code")
        return errors.event(name, message.text(":error-message") or name or "an error without a name")
    if kind != "event" or message.text(":event-type") != "chunk":
        return b""
    try:
        data = _CHUNK.decode(message.payload).data
        event = _EVENT.decode(data).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return errors.event("", "AI Gateway: an event of Amazon Bedrock's stream is none of Anthropic's.")
    if not event.isidentifier():
        # It would be no name of an event, but perhaps lines of others.
        return errors.event("", "AI Gateway: an event of Amazon Bedrock's stream has no name that can be told.")
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.splitlines())
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
