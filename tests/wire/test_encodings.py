import contextlib
import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.encodings import (
    SUPPORTED_ENCODINGS,
    DecodedTooLarge,
    Decoder,
    Undecodable,
    decode_body,
    zstd,
)

TEXT = b'{"model":"m","messages":[]}' * 50
LIMIT = 1 << 20


def raw_deflate(data):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODED = {
    "identity": TEXT,
    "": TEXT,
    "gzip": gzip.compress(TEXT),
    "GZip ": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]),
    "deflate": zlib.compress(TEXT),
    " deflate": raw_deflate(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstd.compress(TEXT),
    "zstd ": zstd.compress(TEXT[:100]) + zstd.compress(TEXT[100:]),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
    "deflate,identity, zstd": zstd.compress(zlib.compress(TEXT)),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_body_is_decoded(encoding):
    assert decode_body(ENCODED[encoding], encoding, LIMIT) == TEXT


@pytest.mark.parametrize("encoding", ENCODED)
def test_bytes_one_by_one_decode_to_the_same(encoding):
    decoder = Decoder(encoding, LIMIT)
    body = ENCODED[encoding]
    assert b"".join(decoder.feed(body[i : i + 1]) for i in range(len(body))) == TEXT
    assert decoder.ended


def test_every_supported_encoding_is_known():
    for encoding in SUPPORTED_ENCODINGS:
        Decoder(encoding, LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_stopped_at_the_limit_and_not_after_it_filled_the_memory(encoding):
    zeros = b"\0" * (64 << 20)
    bomb = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}[encoding](
        zeros
    )
    with pytest.raises(DecodedTooLarge, match="1048576 bytes"):
        decode_body(bomb, encoding, LIMIT)


def test_a_bomb_inside_a_bomb_is_stopped():
    with pytest.raises(DecodedTooLarge):
        decode_body(gzip.compress(gzip.compress(b"\0" * (64 << 20))), "gzip, gzip", LIMIT)


def test_exactly_the_limit_is_allowed():
    assert len(decode_body(gzip.compress(b"\0" * LIMIT), "gzip", LIMIT)) == LIMIT


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_a_cut_body_is_refused(encoding):
    with pytest.raises(Undecodable):
        decode_body(ENCODED[encoding][:-5], encoding, LIMIT)


@pytest.mark.parametrize("encoding", ["compress", "gzip, rot13", "gzip, gzip, gzip, gzip, gzip", "aes128gcm"])
def test_an_unknown_encoding_is_refused_with_the_known_ones(encoding):
    with pytest.raises(Undecodable, match="Use one of: identity, gzip, deflate, br, zstd"):
        Decoder(encoding, LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, deflate"])
@given(body=st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(encoding, body):
    with contextlib.suppress(Undecodable):
        decode_body(body, encoding, LIMIT)


def test_what_was_flushed_so_far_comes_out_at_once():
    compressor = zlib.compressobj(wbits=31)
    decoder = Decoder("gzip", LIMIT)
    for piece in (b"data: 1\n\n", b"data: 2\n\n"):
        assert decoder.feed(compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)) == piece
    assert not decoder.ended
