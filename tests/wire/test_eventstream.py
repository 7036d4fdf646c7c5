"""The framing is read as botocore reads it, wherever it is cut."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.eventstream import EventStreamDecoder, EventStreamMessage, MalformedEventStream

NAMES = st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode()) < 256)
VALUES = st.one_of(
    st.just((0, b"")),
    st.just((1, b"")),
    st.integers(-128, 127).map(lambda n: (2, struct.pack(">b", n))),
    st.integers(-(2**15), 2**15 - 1).map(lambda n: (3, struct.pack(">h", n))),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: (4, struct.pack(">i", n))),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: (5, struct.pack(">q", n))),
    st.binary(max_size=40).map(lambda b: (6, struct.pack(">H", len(b)) + b)),
    st.text(max_size=20).map(lambda t: (7, struct.pack(">H", len(t.encode())) + t.encode())),
    st.integers(0, 2**40).map(lambda n: (8, struct.pack(">q", n))),
    st.binary(min_size=16, max_size=16).map(lambda b: (9, b)),
)
MESSAGES = st.lists(st.tuples(st.dictionaries(NAMES, VALUES, max_size=5), st.binary(max_size=200)), max_size=5)


def encode(headers: dict[str, tuple[int, bytes]], payload: bytes) -> bytes:
    head = b"".join(
        bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value for name, (kind, value) in headers.items()
    )
    lengths = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def simple(payload=b"{}", **headers):
    return encode({k: (7, struct.pack(">H", len(v)) + v.encode()) for k, v in headers.items()}, payload)


def decode(pieces):
    decoder = EventStreamDecoder()
    messages = [message for piece in pieces for message in decoder.feed(piece)]
    assert not decoder.mid_message
    return messages


@given(MESSAGES, st.data())
def test_reads_what_botocore_reads_however_it_is_cut(parts, data):
    stream = b"".join(encode(headers, payload) for headers, payload in parts)
    oracle = EventStreamBuffer()
    oracle.add_data(stream)
    expected = [EventStreamMessage(m.headers, m.payload) for m in oracle]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decode(pieces) == expected


def test_every_single_cut():
    stream = simple(b'{"a":1}', kind="x") + simple(b"", other="y")
    whole = decode([stream])
    assert len(whole) == 2
    for cut in range(len(stream)):
        assert decode([stream[:cut], stream[cut:]]) == whole
    assert decode([bytes([byte]) for byte in stream]) == whole


@given(st.data())
def test_a_flipped_bit_is_noticed_and_what_came_before_is_kept(data):
    first, second = simple(b"one", kind="a"), simple(b"two", kind="b")
    at = data.draw(st.integers(0, len(second) * 8 - 1))
    damaged = bytearray(second)
    damaged[at // 8] ^= 1 << at % 8
    decoder = EventStreamDecoder()
    seen = []
    with pytest.raises(MalformedEventStream):
        seen.extend(message.payload for message in _collect(decoder, first + bytes(damaged), seen))
    assert seen == [b"one"]


def _collect(decoder, stream, seen):
    for message in decoder.feed(stream):
        seen.append(message.payload)
    return []


@given(st.binary(max_size=300))
def test_nonsense_raises_nothing_else(data):
    with contextlib.suppress(MalformedEventStream):
        list(EventStreamDecoder().feed(data))


@pytest.mark.parametrize(
    "head", [b"\x05ab", b"\x01a", b"\x01a\x0a", b"\x01a\x07\x00\x09x", b"\x01a\x09short", b"\x01\xff\x00"]
)
def test_headers_that_cannot_be_read(head):
    lengths = struct.pack(">II", 16 + len(head), len(head))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + head
    with pytest.raises(MalformedEventStream, match="headers cannot be read"):
        decode([message + struct.pack(">I", zlib.crc32(message))])


def test_a_header_that_is_there_twice():
    head = b"\x01a\x00\x01a\x01"
    lengths = struct.pack(">II", 16 + len(head), len(head))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + head
    with pytest.raises(MalformedEventStream, match="twice"):
        decode([message + struct.pack(">I", zlib.crc32(message))])


@pytest.mark.parametrize("lengths", [(15, 0), (16, 1), (2**31, 0), (2**20, 2**18)])
def test_lengths_that_cannot_be_right(lengths):
    packed = struct.pack(">II", *lengths)
    with pytest.raises(MalformedEventStream, match="lengths"):
        decode([packed + struct.pack(">I", zlib.crc32(packed))])


def test_text_of_a_header_that_is_no_text():
    (message,) = decode([encode({"a": (4, struct.pack(">i", 5))}, b"")])
    assert (message.headers, message.text("a"), message.text("b")) == ({"a": 5}, "", "")
