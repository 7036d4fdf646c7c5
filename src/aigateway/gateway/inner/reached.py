"""Answers of the provider that a turn can be made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from aigateway.gateway.failover import Served
from aigateway.gateway.head import Head
from aigateway.gateway.relay import is_event_stream
from aigateway.gateway.request import Request
from aigateway.gateway.transport import Truncated
from aigateway.providers.edit import Outgoing
from aigateway.providers.upstream import UpstreamAnswer, header
from aigateway.wire.encodings import Decoder, Undecodable
from aigateway.wire.observe import LARGEST_DECODED

_CHANGED = frozenset({b"content-length", b"content-encoding"})


@dataclass(frozen=True, slots=True)
class Reached:
    """An answer, who served it, and the declared edit that stands between it and the client."""

    served: Served
    outgoing: Outgoing | None

    @property
    def answer(self) -> UpstreamAnswer:
        """The answer."""
        return self.served.answer

    @property
    def streams(self) -> bool:
        """Whether it is a stream of events."""
        return is_event_stream(header(self.answer, b"content-type"))

    @property
    def tellable(self) -> bool:
        """Whether it says something, in a form that can be read."""
        kind = header(self.answer, b"content-type").split(b";", 1)[0].strip().lower()
        return self.answer.status < 300 and (self.streams or kind.endswith(b"json"))


Call = Callable[[bytes], Awaitable[Reached]]
"""Sends the client's request with another body. Raises `Refusal`."""


def uncompressed(request: Request) -> Request:
    """The request, asking for an answer that can be read and told on."""
    head = request.head
    headers = [(name, b"identity" if name == b"accept-encoding" else value) for name, value in head.headers]
    return replace(request, head=Head(head.method, head.raw_path, head.path, head.query, headers))


def readable(served: Served) -> Served:
    """What was served, decoded where the provider compressed it all the same."""
    encoding = header(served.answer, b"content-encoding").decode("latin-1").strip().lower()
    if encoding in {"", "identity"}:
        return served
    try:
        return replace(served, answer=_Decoded(served.answer, Decoder(encoding, LARGEST_DECODED)))
    except Undecodable:
        return served


class _Decoded:
    """An answer without its content encoding."""

    def __init__(self, answer: UpstreamAnswer, decoder: Decoder) -> None:
        self._answer = answer
        self._decoder = decoder
        self.status = answer.status
        self.headers: Sequence[tuple[bytes, bytes]] = [
            field for field in answer.headers if field[0].lower() not in _CHANGED
        ]
        self.close = answer.close

    async def read(self) -> bytes:
        """The next piece; see `UpstreamAnswer`."""
        while piece := await self._answer.read():
            try:
                decoded = self._decoder.feed(piece)
            except Undecodable as error:
                raise Truncated(f"the provider's answer cannot be decoded ({error})") from None
            if decoded:
                return decoded
        return b""
