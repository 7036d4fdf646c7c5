"""The HTTP client for MCP servers: bounded answers, no redirects to elsewhere, no decompression."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

_CONNECT_SECONDS = 5.0
_WRITE_SECONDS = 30.0


TOO_LARGE = "it sent more than is taken"


class TooLarge(httpx2.StreamError):
    """A server sent more than is taken."""


class Unwanted(httpx2.TransportError):
    """A server sent what it was asked not to send."""


def client(headers: Mapping[str, str], most: int, *, note_status: list[int]) -> httpx2.AsyncClient:
    """A client for one server.

    Reading has no time limit here, since streams of notifications may be silent for long; whoever waits has one.

    Args:
        headers: sent with each request.
        most: bytes of an answer that are taken; events of a stream are counted by whoever reads the stream.
        note_status: where the status of a refusal is noted, as its only item.
    """

    async def note(response: httpx2.Response) -> None:
        if response.is_error:
            note_status[:] = [response.status_code]

    return httpx2.AsyncClient(
        headers={**headers, "accept-encoding": "identity"},
        timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS, write=_WRITE_SECONDS),
        follow_redirects=False,
        trust_env=False,
        transport=_Bounded(httpx2.AsyncHTTPTransport(), most),
        event_hooks={"response": [note]},
    )


class _Bounded(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncHTTPTransport, most: int) -> None:
        self._inner = inner
        self._most = most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise Unwanted("it answered with compression, which it was not asked for", request=request)
        kind = response.headers.get("content-type", "").lower()
        if not kind.startswith("text/event-stream") and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Counted(response.stream, self._most)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self._inner:
            taken += len(piece)
            if taken > self._most:
                raise TooLarge(TOO_LARGE)
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()
