"""Heads that come again: what is kept of them, and what never is."""

from __future__ import annotations

import pytest

from aigateway.app import heads
from aigateway.app.heads import Heads, seen
from aigateway.gateway.head import Head
from tests.support.waiting import eventually

START = b"POST /p HTTP/1.1\r\nhost: g\r\n"


def headers_of(data):
    lines = data[: data.index(b"\r\n\r\n")].split(b"\r\n")[1:]
    return [(name.lower(), value) for name, value in (line.split(b": ", 1) for line in lines if b": " in line)]


async def kept(data):
    """The head that is there for whoever sends the same with other digits, if there is one."""
    known, begins = Heads(), seen(data)
    if begins is None:
        return None
    known.keep(begins, Head("POST", b"/p", "/p", b"", headers_of(data)))
    return known.get(begins[0])


@pytest.mark.parametrize("name", [b"content-length", b"Content-Length"])
async def test_a_head_is_known_again_by_all_but_its_length(name):
    data = START + name + b": 2\r\nx-a: 1\r\n\r\nok"
    head = await kept(data)
    assert head is not None
    assert head.headers == ((b"host", b"g"), (b"x-a", b"1"))
    other = data.replace(b": 2", b": 31")
    text, _, digits, body_begins = seen(other)
    assert (text, digits, other[body_begins:]) == (seen(data)[0], b"31", b"ok")


@pytest.mark.parametrize(
    "data",
    [
        START + b"\r\n",
        START + b"content-length: 2\r\n",
        START + b"content-length: x\r\n\r\n",
        START + b"content-length: -2\r\n\r\n",
        START + b"content-length: " + b"1" * 16 + b"\r\n\r\n",
        START + b"\r\ncontent-length: 2\r\n\r\n",
    ],
)
def test_no_head_with_a_length_is_seen_where_there_is_none(data):
    assert seen(data) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(START + b"x: a-length: 2\r\ncontent-length: 2\r\n\r\n", id="a value that looks like a length"),
        pytest.param(START + b"x-content-length: 2\r\ncontent-length: 2\r\n\r\n", id="another name"),
        pytest.param(START + b"content-length: 2\r\ncontent-length: 2\r\n\r\n", id="two lengths"),
        pytest.param(START + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n", id="chunks too"),
        pytest.param(START + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n", id="waits to be told"),
        pytest.param(START + b"upgrade: h2c\r\ncontent-length: 2\r\n\r\n", id="another protocol"),
        pytest.param(START + b"x: a\nb: 1\r\ncontent-length: 2\r\n\r\n", id="another end of lines"),
        pytest.param(b"\r\n" + START + b"content-length: 2\r\n\r\n", id="a line before it"),
        pytest.param(START + b"x: " + b"a" * 9000 + b"\r\ncontent-length: 2\r\n\r\n", id="large"),
    ],
)
async def test_what_might_be_read_in_another_way_is_parsed_each_time(data):
    assert await kept(data) is None


async def test_heads_are_few_and_not_kept_for_long(monkeypatch):
    monkeypatch.setattr(heads, "_MOST", 3)
    monkeypatch.setattr(heads, "_KEPT_SECONDS", 0.01)
    known = Heads()

    def keep(number):
        data = b"POST /%d HTTP/1.1\r\ncontent-length: 2\r\n\r\n" % number
        known.keep(seen(data), Head("POST", b"/", "/", b"", headers_of(data)))
        return seen(data)[0]

    texts = [keep(number) for number in range(4)]
    assert [known.get(text) is not None for text in texts] == [False, False, False, True]
    await eventually(lambda: known.get(texts[3]) is None)
    assert known.get(keep(5)) is not None
