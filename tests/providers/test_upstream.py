from types import SimpleNamespace

import pytest

from aigateway.providers.upstream import content_headers, header

TYPE, CODING, LENGTH = b"content-type", b"content-encoding", b"content-length"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"Content-Type", b"a/b"), (b"CONTENT-LENGTH", b"3"), (b"content-encoding", b"br")],
        [(TYPE, b"a/b"), (TYPE, b"c/d"), (LENGTH, b"1"), (LENGTH, b"2"), (CODING, b"br"), (CODING, b"gzip")],
        [(b"x-like-types", b"no"), (b"content-lengtz", b"9"), (b"content-encodinx", b"no")],
    ],
)
def test_what_an_answer_says_of_its_content_is_what_each_header_says(headers):
    answer = SimpleNamespace(headers=headers)
    assert content_headers(answer) == tuple(header(answer, name) for name in (TYPE, CODING, LENGTH))
