"""Which headers travel (decisions 4 and 5). Both directions take and give raw ASGI headers: lower-case names, bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RawHeaders = list[tuple[bytes, bytes]]
OwnHeaders = Sequence[tuple[bytes, bytes | None]]
"""Headers that are the gateway's alone to say: what a client sends under these names is never sent on. None: unsaid."""

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 section 7.6.1, and `Proxy-Connection`, which old clients send."""

_NEVER_UPSTREAM = _HOP_BY_HOP | {
    b"host",
    b"content-length",  # the client library sets it anew, for the very same bytes
    b"expect",  # answered by our own server: the body is here already
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"cookie",
    b"forwarded",
    b"x-real-ip",
}
_NEVER_UPSTREAM_PREFIXES = (b"x-forwarded-", b"coder-", b"x-coder-", b"x-ai-bridge-actor")

_NEVER_DOWNSTREAM = _HOP_BY_HOP | {b"set-cookie", b"server", b"alt-svc"}

_READABLE_ENCODINGS = frozenset({b"identity", b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"})


def to_upstream(
    headers: Iterable[tuple[bytes, bytes]], credential: Iterable[tuple[bytes, bytes]], own: OwnHeaders = ()
) -> RawHeaders:
    """The client's headers as the provider may see them, with those of the one credential to be seen, and our `own`."""
    kept: RawHeaders = []
    named: frozenset[bytes] = frozenset()
    for name, value in headers:
        if name == b"connection":
            named |= _named_in_connection(value)
        elif name in _NEVER_UPSTREAM or name.startswith(_NEVER_UPSTREAM_PREFIXES):
            continue
        elif name == b"accept-encoding":
            kept.append((name, _readable(value)))
        else:
            kept.append((name, value))
    if named:
        kept = [header for header in kept if header[0] not in named]
    if own:
        ours = {name for name, _ in own}
        kept = [header for header in kept if header[0] not in ours]
        kept += [(name, value) for name, value in own if value is not None]
    kept += credential
    return kept


def to_client(headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """The provider's headers as the client may see them: request ids and rate limits included."""
    kept: RawHeaders = []
    named: frozenset[bytes] = frozenset()
    for name, value in headers:
        lowered = name.lower()
        if lowered not in _NEVER_DOWNSTREAM:
            kept.append((lowered, value))
        elif lowered == b"connection":
            named |= _named_in_connection(value)
    return [header for header in kept if header[0] not in named] if named else kept


def _named_in_connection(value: bytes) -> frozenset[bytes]:
    return frozenset(name.strip().lower() for name in value.split(b",")) - {b"close", b"keep-alive", b""}


def _readable(accept_encoding: bytes) -> bytes:
    """Narrow `Accept-Encoding` to what the observer can read; with nothing left, ask for the plain bytes."""
    offers = [offer.strip() for offer in accept_encoding.split(b",")]
    kept = [offer for offer in offers if offer.split(b";", 1)[0].strip().lower() in _READABLE_ENCODINGS]
    return b", ".join(kept) or b"identity"
