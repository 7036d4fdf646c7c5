"""How a dump looks: raw HTTP/1.1, for people and for anything that reads HTTP messages (data-plane spec 19)."""

from __future__ import annotations

import http
from collections.abc import Sequence

import msgspec

from aigateway.audit.dumps.masking import (
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    Masker,
    mask_header,
    mask_parameter,
    secrets_of,
)
from aigateway.wire.encodings import Undecodable, decode_body

RawHeaders = Sequence[tuple[bytes, bytes]]

DECODED_HEADER = "X-Dump-Decoded"
"""Stands for the Content-Encoding of a request whose body the dump shows decoded."""

_LARGEST_PRETTY = 4 * 1024 * 1024
"""Bytes of a body that is formatted: the formatter does not let other threads run meanwhile."""
_LARGEST_DECODED = 64 * 1024 * 1024
_NOTE = b"\n[dump: "


def note(sentence: str) -> bytes:
    """What the dump itself has to say, at the end of a file."""
    return _NOTE + sentence.encode("utf-8", "replace") + b"]\n"


def split_note(body: bytes) -> tuple[bytes, str]:
    """A body without the note at its end, and the note's sentence; empty when there is none."""
    before, found, sentence = body.rpartition(_NOTE)
    if found and sentence.endswith(b"]\n") and b"\n" not in sentence[:-1]:
        return before, sentence[:-2].decode("utf-8", "replace")
    return body, ""


def request_text(method: str, target: str, headers: RawHeaders, body: bytes) -> bytes:
    """A request: headers sorted and masked, a JSON body with two spaces of indentation, secrets in the body masked."""
    texts = _texts(headers)
    encoding = content_encoding(headers)
    if encoding and (decoded := _decode(body, encoding)) is not None:
        body = decoded
        texts = [(name, value) for name, value in texts if name != "Content-Encoding"] + [(DECODED_HEADER, encoding)]
    body = Masker(secrets_of(texts)).whole(pretty(body))
    texts = [(name, value) for name, value in texts if name != "Content-Length"]
    if body:
        body += b"\n"
        texts.append(("Content-Length", str(len(body))))
    shown = [(name, mask_header(name, value, REQUEST_HEADERS)) for name, value in texts]
    return _head(f"{method} {_masked_query(target)} HTTP/1.1", shown) + body


def answer_head(status: int, headers: RawHeaders) -> bytes:
    """The start of a response; its body follows as it came."""
    shown = [(name, mask_header(name, value, RESPONSE_HEADERS)) for name, value in _texts(headers)]
    return _head(f"HTTP/1.1 {status} {_reason(status)}".rstrip(), shown)


def content_encoding(headers: RawHeaders) -> str:
    """The content coding of a message's body; empty for none."""
    values = (value.decode("latin-1").strip() for name, value in headers if name.lower() == b"content-encoding")
    return ", ".join(value for value in values if value.lower() not in {"", "identity"})


def pretty(body: bytes) -> bytes:
    """A JSON body with two spaces of indentation, keys and numbers as they were; any other as it is."""
    if len(body) > _LARGEST_PRETTY or body.lstrip()[:1] not in (b"{", b"["):
        return body
    try:
        return msgspec.json.format(body, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return body


def _head(start_line: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [_one_line(start_line), *(f"{name}: {_one_line(value)}" for name, value in sorted(headers))]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1", "replace")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def _texts(headers: RawHeaders) -> list[tuple[str, str]]:
    """The headers as text, their names in the usual spelling: `Content-Type`."""
    return [(name.decode("latin-1").title(), value.decode("latin-1")) for name, value in headers]


def _decode(body: bytes, encoding: str) -> bytes | None:
    try:
        return decode_body(body, encoding, _LARGEST_DECODED)
    except Undecodable:
        return None


def _masked_query(target: str) -> str:
    """The request target; the values of parameters that are called like secrets are masked."""
    path, mark, query = target.partition("?")
    if not mark:
        return path
    parameters = []
    for parameter in query.split("&"):
        name, equals, value = parameter.partition("=")
        parameters.append(f"{name}{equals}{mask_parameter(name, value)}")
    return f"{path}?{'&'.join(parameters)}"


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
