"""The declared edit of Chat streams that do not ask for their usage: it is asked for, put on record and held back.

Without `stream_options.include_usage` a stream of OpenAI's tells nobody what it used (data-plane spec 9.2).
"""

from __future__ import annotations

from collections.abc import Sequence

from aigateway.providers.edit import Edit, Outgoing
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest, header
from aigateway.telemetry.logging import get_logger
from aigateway.wire.facts import RequestFacts
from aigateway.wire.splice import JsonObject, Unspliceable
from aigateway.wire.withheld_usage import WithoutUsage

_log = get_logger("providers")

_PATH = "/chat/completions"
_ASK = b'{"include_usage":true}'
_PERHAPS_UNKNOWN = frozenset({400, 422})
"""How endpoints answer a field that they do not know; 422 is FastAPI's way, and that of those that are made of it."""


class StreamUsage:
    """Decides for one provider, and remembers if it turns out not to know the field."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._unknown = False

    def edit_for(self, path: str, facts: RequestFacts | None) -> Edit | None:
        """See `EditFor`."""
        if facts is None or path != _PATH or not facts.streaming or self._unknown:
            return None
        options = facts.stream_options
        if options is None:
            return _UsageEdit(self, None)
        try:
            wanted = _with_usage(options)
        except Unspliceable:
            return None  # not what the API knows: for the provider to refuse
        return None if wanted is None else _UsageEdit(self, wanted)

    def turned_out_unknown(self) -> None:
        """The same request was good without the field."""
        if not self._unknown:
            self._unknown = True
            _log.warning(
                "a provider does not know stream_options: the usage of streams that do not ask for it stays unknown",
                provider=self._provider,
            )


def _with_usage(options: bytes) -> bytes | None:
    """The client's options with the usage asked for; None when it asks for it itself. Raises `Unspliceable`."""
    if options == b"null":
        return _ASK
    members = JsonObject(options)
    return None if members.value("include_usage") is True else members.splice(put={"include_usage": b"true"})


class _UsageEdit:
    """Of one request."""

    model = None

    def __init__(self, decides: StreamUsage, options: bytes | None) -> None:
        """Take the options that replace the client's; None where the client has none."""
        self._decides = decides
        self._options = options
        self._edited = False
        self._retried = False
        self.outgoing: Outgoing | None = None

    def to_upstream(self, request: UpstreamRequest) -> UpstreamRequest:
        """See `Edit`. A compressed body is left as it is, since every byte of it would change."""
        if header(request, b"content-encoding"):
            return request
        try:
            body = self._asking(request.body)
        except Unspliceable:
            return request
        self._edited = True
        return UpstreamRequest(request.method, request.url, [*map(_uncompressed, request.headers)], body)

    def instead(self, status: int, request: UpstreamRequest) -> UpstreamRequest | None:
        """See `Edit`: the client's own words, which get the answer that they would have got."""
        self._retried = self._edited and status in _PERHAPS_UNKNOWN
        return request if self._retried else None

    async def to_client(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """See `Edit`."""
        if self._retried:
            if answer.status < 400:
                self._decides.turned_out_unknown()
            return answer
        streams = header(answer, b"content-type").lower().startswith(b"text/event-stream")
        if not self._edited or not streams or header(answer, b"content-encoding"):
            return answer
        self.outgoing = WithoutUsage()
        return _OfUnknownLength(answer) if header(answer, b"content-length") else answer

    def _asking(self, body: bytes) -> bytes:
        if self._options is not None:
            return JsonObject(body).splice(put={"stream_options": self._options})
        # There is no such member, so that one more can stand in front of the others: nothing has to be looked for.
        opened = body.index(b"{") + 1
        return b"".join((body[:opened], b'"stream_options":', _ASK, b",", body[opened:]))


class _OfUnknownLength:
    """An answer that gets shorter on its way."""

    def __init__(self, answer: UpstreamAnswer) -> None:
        self.status = answer.status
        self.headers: Sequence[tuple[bytes, bytes]] = [
            (name, value) for name, value in answer.headers if name.lower() != b"content-length"
        ]
        self.read = answer.read
        self.close = answer.close


def _uncompressed(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, _ = field
    return (name, b"identity") if name == b"accept-encoding" else field
