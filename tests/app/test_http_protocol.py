"""A client's connection, over raw sockets: framing, order, back-pressure, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from aigateway.app.asgi import Application
from aigateway.app.http_protocol import HttpProtocol
from aigateway.app.listener import bind
from aigateway.gateway.client import BodyTooLarge, ClientGone
from aigateway.settings.model import Address
from tests.support.waiting import eventually

PATH = b"/api/v2/aibridge/openai/v1/responses"
HEAD = b"POST " + PATH + b" HTTP/1.1\r\nhost: g\r\n"


class Plane:
    """A data plane that does what a test wants, and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.gone = []
        self.failed = []
        self.answer = self.echo

    async def serve(self, client):
        self.asked.append(client)
        client.when_gone(lambda: self.gone.append(client))
        try:
            await self.answer(client)
        except (ClientGone, BodyTooLarge) as error:
            self.failed.append(type(error))

    async def echo(self, client):
        await reply(client, await client.body(1000))


async def reply(client, body, *, status=200, headers=None):
    if headers is None:
        headers = [(b"content-length", b"%d" % len(body))]
    client.begin(status, headers)
    client.end(body)


class Peer:
    """A raw connection to the server."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def send(self, data):
        self.writer.write(data)

    async def head(self):
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self):
        """The head and the body of an answer with a length."""
        head = await self.head()
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return head, await self.reader.readexactly(length)

    async def rest(self):
        with contextlib.suppress(ConnectionError):
            return await self.reader.read(-1)
        return b""


@asynccontextmanager
async def serving(plane):
    """As uvicorn's server serves, without its clock."""
    application = Application(health=None, data_plane=plane.serve, sockets=None, make_control_plane=None)
    config = uvicorn.Config(
        application, http=HttpProtocol, lifespan="off", log_config=None, access_log=False, proxy_headers=False
    )
    state = ServerState()
    loop = asyncio.get_running_loop()
    listening = bind(Address("127.0.0.1", 0))
    server = await loop.create_server(lambda: HttpProtocol(config, state, app_state={}), sock=listening)
    peers = []

    async def connect():
        peers.append(Peer(*await asyncio.open_connection(*listening.getsockname())))
        return peers[-1]

    connect.state = state
    try:
        yield connect
    finally:
        for peer in peers:
            peer.writer.transport.abort()
        server.close()
        for task in tuple(state.tasks):
            task.cancel()
        await eventually(lambda: not state.tasks and not state.connections)


@pytest.fixture
async def plane():
    return Plane()


@pytest.fixture
async def connect(plane):
    async with asyncio.timeout(60), serving(plane) as made:
        yield made


async def test_a_request_is_handed_over_as_it_came(plane, connect):
    peer = await connect()
    peer.send(
        b"POST /api/v2/aibridge/openai/v1/x%2Cy?a=%20b#f HTTP/1.1\r\nHost: g\r\nX-A: 1\r\nx-a: 2\r\n"
        b"content-length: 2\r\n\r\nok"
    )
    head, body = await peer.answer()
    assert (head, body) == (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", b"ok")
    asked = plane.asked[0].head
    assert (asked.method, asked.raw_path, asked.query) == ("POST", b"/api/v2/aibridge/openai/v1/x%2Cy", b"a=%20b")
    assert asked.path == "/api/v2/aibridge/openai/v1/x,y"
    assert asked.headers == [(b"host", b"g"), (b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"2")]


async def test_a_target_with_a_host_is_the_same_path(plane, connect):
    peer = await connect()
    peer.send(b"GET http://g" + PATH + b"?q HTTP/1.1\r\nhost: g\r\n\r\n")
    await peer.answer()
    assert (plane.asked[0].head.raw_path, plane.asked[0].head.query) == (PATH, b"q")


async def test_an_answer_of_unknown_length_goes_in_chunks_and_its_head_with_the_first(plane, connect):
    async def pieces(client):
        client.begin(200, [(b"x-a", b"1")])
        assert client.write(b"one")
        client.write(b"")
        client.write(b"two" * 20_000)
        client.end(b"end")

    plane.answer = pieces
    peer = await connect()
    for _ in range(2):
        peer.send(HEAD + b"content-length: 0\r\n\r\n")
        assert await peer.head() == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n"
        expected = b"3\r\none\r\nea60\r\n" + b"two" * 20_000 + b"\r\n3\r\nend\r\n0\r\n\r\n"
        assert await peer.reader.readexactly(len(expected)) == expected


async def test_a_head_goes_out_alone_when_it_is_let_out(plane, connect):
    going_on = asyncio.Event()

    async def slow(client):
        client.begin(200, [])
        client.flush()
        await going_on.wait()
        client.end()

    plane.answer = slow
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    assert await peer.head()
    going_on.set()
    assert await peer.reader.readexactly(5) == b"0\r\n\r\n"


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"POST", 204), (b"POST", 304)])
async def test_an_answer_without_a_body_has_none(plane, connect, method, status):
    plane.answer = lambda client: reply(client, b"" if status != 200 else b"body", status=status, headers=[])
    peer = await connect()
    for _ in range(2):
        peer.send(HEAD.replace(b"POST", method) + b"content-length: 0\r\n\r\n")
        assert b"transfer-encoding" not in await peer.head()
    peer.send(HEAD + b"connection: close\r\ncontent-length: 0\r\n\r\n")
    await peer.head()


async def test_an_old_client_reads_to_the_end_of_its_connection(plane, connect):
    plane.answer = lambda client: reply(client, b"body", headers=[])
    peer = await connect()
    peer.send(b"POST " + PATH + b" HTTP/1.0\r\ncontent-length: 0\r\n\r\n")
    assert await peer.rest() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbody"


async def test_requests_sent_at_once_are_answered_in_their_order(plane, connect):
    first = asyncio.Event()

    async def answer(client):
        body = await client.body(1000)
        if body == b"1":
            await first.wait()
        await reply(client, body)

    plane.answer = answer
    peer = await connect()
    peer.send(b"".join(HEAD + b"content-length: 1\r\n\r\n%d" % n for n in (1, 2, 3)))
    await eventually(lambda: plane.asked)
    first.set()
    assert [(await peer.answer())[1] for _ in range(3)] == [b"1", b"2", b"3"]
    assert len(plane.asked) == 3


async def test_a_client_that_waits_to_be_told_sends_its_body_once_it_is_wanted(plane, connect):
    peer = await connect()
    peer.send(HEAD + b"content-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert await peer.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.send(b"ok")
    assert (await peer.answer())[1] == b"ok"


async def test_a_client_that_is_refused_before_its_body_is_wanted_is_not_told_to_send_it(plane, connect):
    plane.answer = lambda client: reply(client, b"no", status=401)
    peer = await connect()
    peer.send(HEAD + b"content-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert (await peer.answer())[0].startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_over_the_limit_is_not_taken_and_the_connection_goes_on(plane, connect, chunked):
    async def answer(client):
        try:
            body = await client.body(100_000)
        except BodyTooLarge:
            body = b"too large"
        await reply(client, body)

    plane.answer = answer
    peer = await connect()
    body = b"x" * 300_000
    peer.send(
        HEAD + b"transfer-encoding: chunked\r\n\r\n493e0\r\n" + body + b"\r\n0\r\nx-trailer: 1\r\n\r\n"
        if chunked
        else HEAD + b"content-length: 300000\r\n\r\n" + body
    )
    assert (await peer.answer())[1] == b"too large"
    peer.send(HEAD + b"content-length: 2\r\n\r\nok")
    assert (await peer.answer())[1] == b"ok"


async def test_requests_with_the_same_head_share_it_whatever_their_length(plane, connect):
    peer, bodies = await connect(), [b"one", b"", b"three of them", b"x" * 900]
    for body in bodies:
        peer.send(HEAD + b"X-A: 1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        assert (await peer.answer())[1] == body
    first, *others = (asked.head for asked in plane.asked)
    assert first.headers == [(b"host", b"g"), (b"x-a", b"1"), (b"content-length", b"3")]
    assert all(head is others[0] for head in others)
    assert (others[0].method, others[0].raw_path) == ("POST", PATH)
    assert others[0].headers == ((b"host", b"g"), (b"x-a", b"1"))


async def test_requests_with_the_same_head_come_in_any_pieces(plane, connect):
    bodies = [b"a" * number for number in range(1, 9)]
    requests = b"".join(HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)
    for size in (1, 7, 50, 68, 75, 200, len(requests)):
        peer = await connect()
        for begin in range(0, len(requests), size):
            peer.send(requests[begin : begin + size])
            await asyncio.sleep(0)
        assert [(await peer.answer())[1] for _ in bodies] == bodies


async def test_thousands_of_requests_at_once_behind_a_known_head_are_all_answered(plane, connect):
    """Each was taken inside the one before it, until Python refused."""
    peer = await connect()
    request = HEAD + b"content-length: 1\r\n\r\n"
    peer.send(request + b"a")
    assert (await peer.answer())[1] == b"a"
    peer.send((request + b"b") * 3000)
    for _ in range(3000):
        assert (await peer.answer())[1] == b"b"
    assert len(plane.asked) == 3001


async def test_a_body_behind_a_known_head_that_is_refused_is_not_the_next_request(plane, connect):
    async def refuse(client):
        await reply(client, b"no")

    peer = await connect()
    plane.answer = refuse
    for _ in range(3):
        peer.send(HEAD + b"content-length: 200\r\n\r\n")
        assert (await peer.answer())[1] == b"no"
        peer.send(HEAD.replace(b"host", b"smuggled")[:60].ljust(200))
    plane.answer = plane.echo
    peer.send(HEAD + b"content-length: 2\r\n\r\nok")
    assert (await peer.answer())[1] == b"ok"
    assert len(plane.asked) == 4


async def test_a_body_in_chunks_is_whole_and_its_trailers_are_no_headers(plane, connect):
    peer = await connect()
    peer.send(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\nauthorization: evil\r\n\r\n")
    assert (await peer.answer())[1] == b"ok!"
    assert b"authorization" not in dict(plane.asked[0].head.headers)


async def test_a_body_that_nobody_wants_yet_makes_its_client_wait(plane, connect):
    wanted = asyncio.Event()

    async def answer(client):
        await wanted.wait()
        await reply(client, b"%d" % len(await client.body(100_000_000)))

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 50000000\r\n\r\n")
    peer.send(b"x" * 50_000_000)
    await eventually(lambda: plane.asked and plane.asked[0]._size > 64 * 1024)
    assert plane.asked[0]._size < 10_000_000
    wanted.set()
    assert (await peer.answer())[1] == b"50000000"


async def test_a_client_that_reads_slowly_makes_its_answer_wait(plane, connect):
    written, whole = [], asyncio.Event()

    async def answer(client):
        client.begin(200, [])
        for _ in range(1000):
            if not client.write(b"x" * 100_000):
                await client.drained()
            written.append(1)
        client.end()
        whole.set()

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    await peer.head()
    count, standing = -1, asyncio.ensure_future(whole.wait())
    while count != len(written):  # until it stands still
        count = len(written)
        await asyncio.wait({standing}, timeout=0.1)
    assert not standing.done()
    while not standing.done():
        await peer.reader.read(1_000_000)


@pytest.mark.parametrize("how", ["close", "reset", "half"])
async def test_a_client_that_leaves_is_noticed_at_once(plane, connect, how):
    left = asyncio.Event()

    async def answer(client):
        await client.body(1000)
        await left.wait()
        await reply(client, b"for nobody")

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    await eventually(lambda: plane.asked)
    if how == "close":
        peer.writer.close()
    elif how == "reset":
        peer.writer.transport.abort()
    else:
        peer.writer.write_eof()
    await eventually(lambda: plane.gone)
    assert plane.gone == plane.asked
    left.set()


async def test_a_client_that_leaves_with_a_request_waiting_is_noticed_for_both(plane, connect):
    async def answer(client):
        await asyncio.Event().wait()

    plane.answer = answer
    peer = await connect()
    peer.send(2 * (HEAD + b"content-length: 0\r\n\r\n"))
    await eventually(lambda: plane.asked)
    peer.writer.close()
    await eventually(lambda: plane.gone)


async def test_a_client_that_leaves_in_the_middle_of_its_body_has_no_request(plane, connect):
    peer = await connect()
    peer.send(HEAD + b"content-length: 9\r\n\r\nhalf")
    await eventually(lambda: plane.asked)
    peer.writer.close()
    await eventually(lambda: plane.failed == [ClientGone])


@pytest.mark.parametrize(("length", "body"), [(b"3", b"long"), (b"5", b"shrt")])
async def test_an_answer_of_another_length_than_it_says_is_cut(plane, connect, length, body):
    async def answer(client):
        with pytest.raises(RuntimeError):
            await reply(client, body, headers=[(b"content-length", length)])

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    assert len(await peer.rest()) < 60
    assert peer.reader.at_eof()


async def test_an_answer_that_is_not_ended_ends_with_its_connection(plane, connect):
    async def answer(client):
        client.begin(200, [])
        client.write(b"half")

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    assert (await peer.rest()).endswith(b"4\r\nhalf\r\n")


async def test_a_header_of_an_answer_cannot_end_its_head(plane, connect):
    async def answer(client):
        with pytest.raises(RuntimeError):
            await reply(client, b"", headers=[(b"x-a", b"1\r\nx-evil: 2")])

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    assert await peer.rest() == b""


SMUGGLING = {
    "length and coding": b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"content-length: 0\r\ncontent-length: 44\r\n\r\n",
    "twice the same length": b"content-length: 0\r\ncontent-length: 0\r\n\r\n",
    "a list of lengths": b"content-length: 0, 0\r\n\r\n",
    "a signed length": b"content-length: +0\r\n\r\n",
    "a length with a space": b"content-length: 0 0\r\n\r\n",
    "a coding that is not chunked": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a coding behind chunked": b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"x-a: 1\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "lines ended by line feeds": b"content-length: 0\n\n",
    "a bare carriage return": b"x-a: 1\rcontent-length: 0\r\n\r\n",
    "a zero byte": b"x-a: \x00\r\ncontent-length: 0\r\n\r\n",
    "a chunk of a signed size": b"transfer-encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
    "a chunk of a wrong size": b"transfer-encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    "a chunk with a bare line feed": b"transfer-encoding: chunked\r\n\r\n1\nx\n0\n\n",
    "a header without a name": b": x\r\ncontent-length: 0\r\n\r\n",
}
SMUGGLED = HEAD + b"x-smuggled: 1\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("name", SMUGGLING)
async def test_a_request_whose_end_cannot_be_told_for_certain_is_the_last(plane, connect, name):
    """No second request may hide in its body, whoever before us reads its end differently."""
    peer = await connect()
    peer.send(HEAD + SMUGGLING[name] + SMUGGLED)
    told = await peer.rest()
    assert told == b"" or told.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert not any(b"x-smuggled" in dict(asked.head.headers) for asked in plane.asked)


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("fill", [b"x-a: " + b"a" * 300_000 + b"\r\n", b"x-a: a\r\n" * 40_000])
async def test_a_head_that_is_too_large_is_refused(plane, connect, fill, in_pieces):
    peer = await connect()
    data = HEAD + fill + b"content-length: 0\r\n\r\n"
    size = 10_000 if in_pieces else len(data)
    with contextlib.suppress(ConnectionError):
        for start in range(0, len(data), size):
            peer.send(data[start : start + size])
            await peer.writer.drain()
    told = await peer.rest()
    assert told == b"" or told.startswith(b"HTTP/1.1 431 ")
    assert plane.asked == []


async def test_a_large_body_is_no_large_head(plane, connect):
    plane.answer = lambda client: reply(client, b"ok")
    peer = await connect()
    for _ in range(3):
        peer.send(HEAD + b"x-a: " + b"a" * 30_000 + b"\r\ncontent-length: 200000\r\n\r\n" + b"x" * 200_000)
        assert (await peer.answer())[1] == b"ok"


async def test_nonsense_behind_a_request_does_not_land_in_its_answer(plane, connect):
    going_on = asyncio.Event()

    async def answer(client):
        client.begin(200, [])
        client.flush()
        await going_on.wait()

    plane.answer = answer
    peer = await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    await peer.head()
    peer.send(b"\x00nonsense\r\n\r\n")
    assert await peer.rest() == b""
    assert plane.gone
    going_on.set()


async def test_a_connection_that_is_idle_for_too_long_is_closed(plane, connect):
    peer = await connect()
    peer.send(HEAD + b"content-length: 2\r\n\r\nok")
    await peer.answer()
    (connection,) = connect.state.connections
    connection.timeout_keep_alive_handler()
    assert not connection.transport.is_closing()
    connection._idle_since -= 1000
    connection.timeout_keep_alive_handler()
    assert await peer.rest() == b""


async def test_a_stopping_server_lets_an_answer_finish_and_closes_the_rest(plane, connect):
    going_on = asyncio.Event()

    async def answer(client):
        await going_on.wait()
        await reply(client, b"done")

    plane.answer = answer
    peer, idle = await connect(), await connect()
    peer.send(HEAD + b"content-length: 0\r\n\r\n")
    await eventually(lambda: plane.asked)
    for connection in tuple(connect.state.connections):
        connection.shutdown()
    assert await idle.rest() == b""
    going_on.set()
    head, body = await peer.answer()
    assert body == b"done"
    assert b"connection: close\r\n" in head
    assert await peer.rest() == b""


async def test_other_paths_are_left_to_uvicorn(plane, connect):
    peer = await connect()
    peer.send(b"GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n")
    assert (await peer.answer())[1] == b"ok\n"
    assert plane.asked == []


@pytest.mark.parametrize("path", [PATH, b"/healthz"])
async def test_what_follows_an_upgrade_to_nothing_we_speak_is_no_request(plane, connect, path):
    peer = await connect()
    hidden = HEAD + b"x-smuggled: 1\r\ncontent-length: 0\r\n\r\n"
    peer.send(
        b"GET " + path + b" HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
        b"content-length: %d\r\n\r\n" % len(hidden)
    )
    peer.send(hidden)
    head, _ = await peer.answer()
    assert b"connection: close\r\n" in head
    assert await peer.rest() == b""
    assert not any(b"x-smuggled" in dict(asked.head.headers) for asked in plane.asked)
