"""The client's parser and its connection, byte by byte and without a network."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.gateway.http1.connection import Connection
from aigateway.gateway.transport import Disconnected, Truncated

HEAD = b"POST / HTTP/1.1\r\nhost: p\r\ncontent-length: 2\r\n\r\n"


class Wire(asyncio.Transport):
    """What a connection writes, and what was done to it."""

    def __init__(self, connection):
        super().__init__()
        self.connection = connection
        self.written = []
        self.aborted = False
        self.paused = False
        self.unsent = 0
        connection.connection_made(self)

    def write(self, data):
        self.written.append(bytes(data))

    def get_write_buffer_size(self):
        return self.unsent

    def is_closing(self):
        return self.aborted

    def abort(self):
        if not self.aborted:
            self.aborted = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


class Stage:
    def __init__(self):
        self.idle = []
        self.lost = []
        self.connection = Connection(self.idle.append, self.lost.append)
        self.wire = Wire(self.connection)

    def ask(self, body=b"{}", *, body_wanted=True):
        return asyncio.ensure_future(self.connection.ask(HEAD, body, body_wanted=body_wanted))

    async def answer(self, *pieces, ends=False, body_wanted=True):
        """What an answer says that comes in these pieces: status, headers, body."""
        asking = self.ask(body_wanted=body_wanted)
        await asyncio.sleep(0)
        for piece in pieces:
            if not self.wire.aborted:
                self.connection.data_received(piece)
        if ends:
            self.connection.connection_lost(None)
        answer = await asking
        body = b""
        while piece := await answer.read():
            body += piece
        return answer.status, answer.headers, body


ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nx-a: 1\r\n\r\nfour", b"four", False),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", False),
    "chunked": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n2;x=y\r\nur\r\n0\r\nx-t: 9\r\n\r\n",
        b"four",
        False,
    ),
    "padded sizes": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4  \r\nfour\r\n0\r\n\r\n", b"four", False),
    "until close": (b"HTTP/1.1 200 OK\r\n\r\nfour", b"four", True),
    "http/1.0": (b"HTTP/1.0 200 OK\r\n\r\nfour", b"four", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", False),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b"", False),
    "early hints": (
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour"
        ),
        b"four",
        False,
    ),
    "closing": (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfour", b"four", False),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_the_same_wherever_it_is_cut(name):
    data, body, ends = ANSWERS[name]
    expected = await Stage().answer(data, ends=ends)
    assert expected[2] == body
    for cut in range(1, len(data)):
        assert await Stage().answer(data[:cut], data[cut:], ends=ends) == expected
    single = await Stage().answer(*(data[i : i + 1] for i in range(len(data))), ends=ends)
    assert single == expected


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_that_breaks_off_anywhere_is_never_taken_for_a_whole_one(name):
    data, body, ends = ANSWERS[name]
    if ends:
        return
    head = data.index(b"\r\n\r\n", data.index(b" 200 ") if b" 200 " in data else 0) + 4
    for cut in range(1, len(data)):
        if cut < head:
            with pytest.raises(Disconnected):
                await Stage().answer(data[:cut], ends=True)
        elif body:
            with pytest.raises(Truncated):
                await Stage().answer(data[:cut], ends=True)


async def test_interim_answers_leave_no_header_behind():
    _, headers, _ = await Stage().answer(ANSWERS["early hints"][0])
    assert headers == [(b"content-length", b"4")]


async def test_trailers_are_no_headers():
    _, headers, _ = await Stage().answer(ANSWERS["chunked"][0])
    assert headers == [(b"transfer-encoding", b"chunked")]


HOSTILE = {
    "length and coding": b"content-length: 4\r\ntransfer-encoding: chunked",
    "coding and length": b"transfer-encoding: chunked\r\ncontent-length: 4",
    "two lengths": b"content-length: 4\r\ncontent-length: 5",
    "twice the same length": b"content-length: 4\r\ncontent-length: 4",
    "a list of lengths": b"content-length: 4, 4",
    "a signed length": b"content-length: +4",
    "a negative length": b"content-length: -4",
    "a hexadecimal length": b"content-length: 0x4",
    "no length": b"content-length:",
    "a length beyond counting": b"content-length: 99999999999999999999999",
    "an unknown coding": b"transfer-encoding: xchunked",
    "a coding behind chunked": b"transfer-encoding: chunked, gzip",
    "a coding before chunked": b"transfer-encoding: gzip, chunked",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked, identity",
    "a folded line": b"x-a: 1\r\n 2\r\ncontent-length: 4",
    "a space before the colon": b"content-length : 4",
    "a bare line feed": b"x-a: 1\nx-b: 2\r\ncontent-length: 4",
    "a bare carriage return": b"x-a: 1\rx-b: 2\r\ncontent-length: 4",
    "a zero byte": b"x-a: 1\x002\r\ncontent-length: 4",
    "a large head": b"x-a: " + b"a" * 70_000 + b"\r\ncontent-length: 4",
    "many headers": b"".join(b"x-%d: a\r\n" % i for i in range(10_000)) + b"content-length: 4",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_answer_whose_end_cannot_be_told_for_certain_is_refused(name):
    stage = Stage()
    with pytest.raises(Disconnected, match=r"no proper HTTP/1\.1") as refused:
        await stage.answer(b"HTTP/1.1 200 OK\r\n" + HOSTILE[name] + b"\r\n\r\nfour")
    assert not refused.value.stale
    assert stage.wire.aborted
    assert not stage.idle


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 099 Odd\r\n",
        b"HTTP/1.1 999 Odd\r\n",
        b"HTTP/1.1 101 Switching\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03",
    ],
)
async def test_what_is_no_answer_is_refused(start):
    with pytest.raises(Disconnected):
        await Stage().answer(start + b"content-length: 4\r\n\r\nfour", ends=True)


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 103 Early Hints\r\nx-a: 1\r\n\r\n",
        b"x-a: 1\r\n",
    ],
)
async def test_a_head_without_an_end_is_given_up(endless):
    first = b"" if endless.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(Disconnected, match="no answer"):
        await Stage().answer(first, *itertools.repeat(endless * 100, 1000))


@pytest.mark.parametrize("endless", [b"x-t: 1\r\n", b"x" * 8])
async def test_trailers_without_an_end_are_given_up(endless):
    first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n"
    with pytest.raises(Truncated, match="no answer"):
        await Stage().answer(first, *itertools.repeat(endless * 100, 1000))


@pytest.mark.parametrize("size", [b"zz", b"-1", b"fffffffffffffffffff", b"4 4", b""])
async def test_a_chunk_of_no_known_size_cuts_the_answer(size):
    stage = Stage()
    with pytest.raises(Truncated):
        await stage.answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + size + b"\r\nfour\r\n0\r\n\r\n")
    assert stage.wire.aborted


async def test_a_connection_is_free_at_the_end_of_its_answer():
    stage = Stage()
    for _ in range(3):
        assert (await stage.answer(ANSWERS["length"][0]))[2] == b"four"
        assert stage.idle == [stage.connection]
        stage.idle.clear()


@pytest.mark.parametrize(
    "extra", [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"garbage", b"\r\nHTTP/1.1 200 OK\r\n"]
)
async def test_what_comes_behind_an_answer_is_never_the_next_ones(extra):
    stage = Stage()
    assert (await stage.answer(ANSWERS["length"][0] + extra))[2] == b"four"
    assert stage.wire.aborted
    assert not stage.idle


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"\r\n", b"x"])
async def test_what_comes_while_nobody_asks_ends_the_connection(extra):
    stage = Stage()
    await stage.answer(ANSWERS["length"][0])
    stage.connection.data_received(extra)
    assert stage.wire.aborted
    await asyncio.sleep(0)
    assert stage.lost == [stage.connection]


async def test_an_answer_that_closes_or_ends_with_its_connection_leaves_none():
    for name in ("closing", "until close", "http/1.0"):
        data, _, ends = ANSWERS[name]
        stage = Stage()
        await stage.answer(data, ends=ends)
        assert not stage.idle


async def test_a_head_alone_is_whole_whatever_length_it_tells():
    stage = Stage()
    assert (await stage.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", body_wanted=False))[2] == b""
    assert stage.idle
    assert (await stage.answer(ANSWERS["length"][0]))[2] == b"four"


async def test_a_body_that_follows_a_head_alone_ends_the_connection():
    stage = Stage()
    await stage.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnine", body_wanted=False)
    assert not stage.idle
    assert stage.wire.aborted


async def test_closing_an_answer_in_its_middle_closes_the_connection_at_once():
    stage = Stage()
    asking = stage.ask()
    await asyncio.sleep(0)
    stage.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfour")
    (await asking).close()
    assert stage.wire.aborted


async def test_whoever_stops_waiting_closes_the_connection_at_once():
    stage = Stage()
    asking = stage.ask()
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert stage.wire.aborted


async def test_whoever_stops_waiting_when_the_answer_is_whole_leaves_the_connection_to_others():
    stage = Stage()
    asking = stage.ask()
    await asyncio.sleep(0)
    stage.connection.data_received(ANSWERS["length"][0])
    other = stage.ask()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    stage.connection.data_received(ANSWERS["length"][0])
    assert (await other).status == 200
    assert not stage.wire.aborted


async def test_a_provider_that_is_faster_than_the_reader_is_made_to_wait():
    stage = Stage()
    asking = stage.ask()
    await asyncio.sleep(0)
    stage.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"a" * 60_000)
    answer = await asking
    assert not stage.wire.paused
    stage.connection.data_received(b"a" * 60_000)
    assert stage.wire.paused
    assert await answer.read() == b"a" * 120_000
    assert not stage.wire.paused
    stage.connection.data_received(b"a" * 80_000)
    assert not stage.wire.paused, "the connection is idle, and must hear when the provider closes it"
    assert len(await answer.read()) == 80_000
    assert await answer.read() == b""


async def test_an_answer_before_the_request_was_sent_ends_the_connection_with_it():
    stage = Stage()
    stage.wire.unsent = 100_000
    answer = await stage.answer(b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nfour")
    assert answer[0] == 413
    assert stage.wire.aborted


async def test_a_large_body_goes_piece_by_piece_as_the_wire_takes_it():
    stage = Stage()
    body = os.urandom(1_000_000)
    asking = stage.ask(body)
    stage.connection.pause_writing()
    await asyncio.sleep(0)
    assert stage.wire.written == [HEAD]
    stage.connection.resume_writing()
    assert b"".join(stage.wire.written) == HEAD + body
    assert max(len(piece) for piece in stage.wire.written) < 300_000
    asking.cancel()


async def test_only_silence_on_a_used_connection_is_a_stale_one():
    stage = Stage()
    await stage.answer(ANSWERS["length"][0])
    with pytest.raises(Disconnected) as broken:
        await stage.answer(ends=True)
    assert broken.value.stale

    stage = Stage()
    await stage.answer(ANSWERS["length"][0])
    with pytest.raises(Disconnected) as broken:
        await stage.answer(b"HTTP/1.1 2", ends=True)
    assert not broken.value.stale, "it had begun to answer"


@given(st.binary(max_size=400), st.lists(st.integers(1, 400), max_size=6))
def test_no_bytes_at_all_get_past_the_two_errors(data, cuts):
    async def feed():
        stage = Stage()
        edges = [0, *sorted(cuts), len(data)]
        pieces = [data[a:b] for a, b in itertools.pairwise(edges) if a < b]
        with contextlib.suppress(Disconnected, Truncated):
            await stage.answer(*pieces, ends=True)

    asyncio.run(feed())
