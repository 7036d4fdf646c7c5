from __future__ import annotations

import gzip
import http.client
import io
import json
from email.parser import BytesParser

from aigateway.audit.dumps.layout import answer_head, note, pretty, request_text, split_note

HEADERS = [
    (b"x-b", b"2"),
    (b"authorization", b"Bearer sk-ant-api03-0123456789"),
    (b"x-b", b"1"),
    (b"content-type", b"application/json"),
]


def test_a_request_is_an_http_message():
    dump = request_text("POST", "/v1/messages?beta=true", HEADERS, b'{"z":1.50,"a":12345678901234567890,"s":"\\u00e9"}')
    head, _, body = dump.partition(b"\r\n\r\n")
    start, *lines = head.decode().split("\r\n")
    assert start == "POST /v1/messages?beta=true HTTP/1.1"
    assert lines == [
        "Authorization: Bear...6789",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        "X-B: 1",
        "X-B: 2",
    ]
    assert body == b'{\n  "z": 1.50,\n  "a": 12345678901234567890,\n  "s": "\\u00e9"\n}\n'
    parsed = BytesParser().parsebytes(dump.partition(b"\r\n")[2])
    assert parsed["content-type"] == "application/json"


def test_a_body_that_is_no_json_is_as_it_was():
    assert request_text("POST", "/x", [], b"not json {").endswith(b"\r\n\r\nnot json {\n")
    assert request_text("POST", "/x", [], b'{"a": "\xff').endswith(b'\r\n\r\n{"a": "\xff\n')
    assert request_text("GET", "/x", [], b"") == b"GET /x HTTP/1.1\r\n\r\n"
    assert pretty(b"[" * 5000) == b"[" * 5000


def test_a_compressed_request_is_shown_decoded_and_masked():
    body = gzip.compress(b'{"api_key":"hunter2"}')
    dump = request_text("POST", "/x", [(b"content-encoding", b"gzip")], body)
    assert b"X-Dump-Decoded: gzip\r\n" in dump
    assert b"Content-Encoding" not in dump
    assert json.loads(dump.partition(b"\r\n\r\n")[2]) == {"api_key": "*******"}
    assert b"Content-Encoding: gzip" in request_text("POST", "/x", [(b"content-encoding", b"gzip")], b"no gzip")


def test_secrets_in_the_query_are_masked():
    dump = request_text("GET", "/v1/models?key=AIzaSomething1234567890&pageSize=5", [], b"")
    assert dump.startswith(b"GET /v1/models?key=AIza...7890&pageSize=5 HTTP/1.1\r\n")


def test_no_header_can_forge_another():
    dump = request_text("GET", "/x", [(b"x-a", b"1\r\nX-Forged: 2")], b"")
    assert b"\r\nX-Forged" not in dump


def test_the_start_of_an_answer():
    head = answer_head(429, [(b"Set-Cookie", b"session=0123456789abcdefghij"), (b"request-id", b"r1")])
    assert head == b"HTTP/1.1 429 Too Many Requests\r\nRequest-Id: r1\r\nSet-Cookie: sess...ghij\r\n\r\n"
    assert answer_head(529, []) == b"HTTP/1.1 529\r\n\r\n"
    response = http.client.HTTPResponse(_Socket(head))
    response.begin()
    assert response.status == 429


def test_a_note_is_found_again():
    assert split_note(b"data: x\n" + note("cut here")) == (b"data: x\n", "cut here")
    assert split_note(b"data: x\n") == (b"data: x\n", "")
    assert split_note(b"a\n[dump: not at the end]\nb") == (b"a\n[dump: not at the end]\nb", "")


class _Socket:
    def __init__(self, data):
        self._data = data

    def makefile(self, *_):
        return io.BytesIO(self._data)
