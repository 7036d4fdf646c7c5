"""Heads: of a request as it is written, and of an answer as far as its framing goes (RFC 9112)."""

from __future__ import annotations

from collections.abc import Sequence

_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods whose requests say nothing of a body that they do not have (RFC 9110 section 8.6)."""
_WITHOUT_BODY = frozenset({204, 304})
_LARGEST_HEAD = 64 * 1024
_INTERIM = 200
_MOST_STATUS = 599

Headers = Sequence[tuple[bytes, bytes]]


class Malformed(Exception):
    """No answer of HTTP/1.1, or none whose end can be told for certain. The sentence says why."""


def request_start(method: str, target: str, host: bytes, headers: Headers) -> bytes:
    """What the head of a request begins with, whatever the length of its body; the host is all that is added.

    Raises:
        ValueError: something would end the head before its end.

    """
    lines = [b"%b: %b\r\n" % header for header in headers]
    start = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b" % (
        method.encode("ascii"),
        target.encode("ascii"),
        host,
        b"".join(lines),
    )
    ends = len(lines) + 2
    if start.count(b"\n") != ends or start.count(b"\r") != ends or b"\0" in start:
        raise ValueError("a header or the path of a request holds a line break")
    return start


def whole_head(start: bytes, method: str, length: int) -> bytes:
    """The head that begins so, of a request with a body of that many bytes."""
    return b"%bcontent-length: %d\r\n\r\n" % (start, length) if length or method not in _BODILESS else start + b"\r\n"


def is_interim(status: int) -> bool:
    """Whether this is a word in between, and the answer still to come.

    Raises:
        Malformed: it is no status that a client of ours could have asked for.

    """
    if status >= _INTERIM:
        if status > _MOST_STATUS:
            raise Malformed(f"its status is {status}")
        return False
    if status == 101 or status < 100:
        raise Malformed(f"its status is {status}")
    return True


def ends_with_connection(status: int, headers: Headers) -> bool:
    """Whether only the end of the connection tells the end of the answer.

    The parser has refused whatever is no length, two lengths, and a length beside a transfer coding.

    Raises:
        Malformed: the answer is coded in a way that nobody asked for, or its head is too large.

    """
    framed = status in _WITHOUT_BODY
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if len(name) == 14:
            framed = framed or name.lower() == b"content-length"
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise Malformed("its transfer coding is not chunked")
            framed = True
    if size > _LARGEST_HEAD:
        raise Malformed(f"its head is over {_LARGEST_HEAD} bytes")
    return not framed
