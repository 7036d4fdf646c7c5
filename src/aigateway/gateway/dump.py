"""API dumps of what goes to providers and comes back, made at the seam to the upstream."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from aigateway.audit.dumps.dumps import Pair, Series
from aigateway.gateway.transport import Transport, UpstreamError
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest


class DumpedTransport:
    """Sends by another transport, and dumps each request with its answer."""

    def __init__(self, transport: Transport, series: Series) -> None:
        self._transport = transport
        self._series = series

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Send the request; see `Transport`."""
        pair = self._series.request(request.method, _target(request.url), request.headers, request.body)
        try:
            answer = await self._transport.send(request)
        except UpstreamError as error:
            pair.failed(str(error))
            raise
        except BaseException:
            pair.failed("broken off before an answer came: too slow, or the client went away, or the gateway stopped")
            raise
        pair.answer(answer.status, answer.headers)
        return _DumpedAnswer(answer, pair)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()


class _DumpedAnswer:
    """An answer whose pieces are dumped as they are read."""

    def __init__(self, answer: UpstreamAnswer, pair: Pair) -> None:
        self._answer = answer
        self._pair = pair
        self.status = answer.status
        self.headers: Sequence[tuple[bytes, bytes]] = answer.headers

    async def read(self) -> bytes:
        """The next piece; see `UpstreamAnswer`."""
        try:
            piece = await self._answer.read()
        except UpstreamError as error:
            self._pair.broken(str(error))
            raise
        if piece:
            self._pair.piece(piece)
        else:
            self._pair.end()
        return piece

    def close(self) -> None:
        """Give up what has not been read."""
        self._pair.broken("the rest of the answer was not read")
        self._answer.close()


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
