"""Chat streams whose usage was asked for by the gateway: the client gets what it would have got without.

With `stream_options.include_usage` OpenAI sends one more chunk before `[DONE]`, with the usage and no choices, and a
`"usage":null` in every other (platform.openai.com, "Chat", "The chat completion chunk object").
"""

from __future__ import annotations

import re

from aigateway.wire.splice import JsonObject, Unspliceable

LONGEST_EVENT = 1024 * 1024
"""Bytes. What is longer is handed out as it is."""

_END = re.compile(rb"\n\r?\n|\r\r")
_DATA = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)
_MENTION = b'"usage"'
_LAST_MEMBER = b',"usage":null}'


class WithoutUsage:
    """Takes the bytes of a stream, cut anywhere, and gives them back event by event without what was not asked for."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._searched = 0
        self._overlong = False

    @property
    def mid_event(self) -> bool:
        """Whether what was given out ends inside an event."""
        return self._overlong

    def feed(self, data: bytes, /) -> bytes:
        """Take the next bytes; return every event that is whole now."""
        if not self._held and _MENTION not in data and data.endswith(b"\n\n"):
            self._overlong = False
            return data
        held = self._held
        held += data
        out: list[bytes] = []
        begin = 0
        while end := _END.search(held, max(begin, self._searched)):
            out.append(self._shown(bytes(held[begin : end.end()])))
            begin = self._searched = end.end()
        if len(held) - begin > LONGEST_EVENT:
            out.append(bytes(held[begin:]))
            self._overlong = True
            begin = len(held)
        del held[:begin]
        # An end may begin in what was seen already.
        self._searched = max(0, len(held) - 2)
        return b"".join(out)

    def end(self) -> bytes:
        """The rest, when the stream is over."""
        rest = self._shown(bytes(self._held)) if self._held else b""
        self._held.clear()
        return rest

    def _shown(self, event: bytes) -> bytes:
        if self._overlong:
            self._overlong = False
            return event
        return event if _MENTION not in event else _without_usage(event)


def _without_usage(event: bytes) -> bytes:
    found = _DATA.findall(event)
    if len(found) != 1:
        return event
    (chunk,) = found
    if chunk.endswith(_LAST_MEMBER) and chunk.count(_MENTION) == 1:
        return event.replace(chunk, chunk[: -len(_LAST_MEMBER)] + b"}", 1)
    try:
        members = JsonObject(chunk)
    except Unspliceable:
        return event
    usage = members.raw("usage")
    if usage is None:
        return event
    if usage == b"null":
        return event.replace(chunk, members.splice(remove={"usage"}), 1)
    return b"" if members.value("choices") == [] else event
