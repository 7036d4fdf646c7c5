from __future__ import annotations

import pytest

from aigateway.gateway.http1.head import request_start, whole_head


def request_head(method, target, host, headers, length):
    return whole_head(request_start(method, target, host, headers), method, length)


def test_a_request_with_a_body_says_its_length():
    assert (
        request_head("POST", "/v1?a=b", b"p:1", [(b"x-a", b"1"), (b"x-b", b"")], 3)
        == b"POST /v1?a=b HTTP/1.1\r\nhost: p:1\r\nx-a: 1\r\nx-b: \r\ncontent-length: 3\r\n\r\n"
    )


@pytest.mark.parametrize(("method", "said"), [("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True)])
def test_a_request_without_a_body_says_so_where_one_would_be_expected(method, said):
    assert (b"content-length: 0\r\n" in request_head(method, "/", b"p", [], 0)) is said


@pytest.mark.parametrize("bad", [b"1\r\nx-evil: 2", b"1\nx-evil: 2", b"1\r", b"1\0"])
def test_nothing_ends_a_header_before_its_end(bad):
    with pytest.raises(ValueError, match="line break"):
        request_head("POST", "/", b"p", [(b"x-a", bad)], 0)
    with pytest.raises(ValueError, match="line break"):
        request_head("POST", "/" + bad.decode(), b"p", [], 0)
