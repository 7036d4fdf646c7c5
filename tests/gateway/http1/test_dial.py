"""Names and addresses: which are tried, in which order, and for how long they are believed."""

from __future__ import annotations

import asyncio
import socket

import pytest

from aigateway.gateway.http1.connection import Connection
from aigateway.gateway.http1.dial import Dialler, Origin, Trust
from aigateway.gateway.http1.pool import Pool
from aigateway.gateway.transport import Unreachable
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    ("url", "host", "port", "netloc"),
    [
        ("https://api.example", "api.example", 443, b"api.example"),
        ("https://api.example:443", "api.example", 443, b"api.example"),
        ("http://api.example:8080", "api.example", 8080, b"api.example:8080"),
        ("http://[::1]:80", "::1", 80, b"[::1]"),
        ("https://bücher.example", "xn--bcher-kva.example", 443, b"xn--bcher-kva.example"),
    ],
)
def test_the_host_is_named_as_its_url_names_it(url, host, port, netloc):
    origin = Origin.of(url)
    assert (origin.host, origin.port, origin.netloc) == (host, port, netloc)
    assert origin.tls == url.startswith("https")


@pytest.fixture
async def listening():
    async def serve(reader, writer):
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def names(monkeypatch):
    """What `provider.example` resolves to, and how often it was asked."""

    class Names:
        addresses = ("127.0.0.1",)
        asked = 0

        async def resolve(self, host, port, **_options):
            assert host == "provider.example"
            self.asked += 1
            if not self.addresses:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            family = {True: socket.AF_INET6, False: socket.AF_INET}
            return [(family[":" in a], socket.SOCK_STREAM, 6, "", (a, port)) for a in self.addresses]

    known = Names()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", known.resolve)
    return known


def dialler(port):
    return Dialler(Origin("provider.example", port, tls=False, netloc=b"provider.example"), Trust(), 5)


def connection():
    return Connection(lambda _: None, lambda _: None)


async def test_a_name_is_asked_for_once_a_minute_and_again_where_nobody_answers(names, listening):
    there = dialler(listening)
    for _ in range(3):
        (await there.dial(connection)).abort()
    assert names.asked == 1
    nowhere = dialler(1)
    for _ in range(2):
        with pytest.raises(Unreachable, match="connection refused"):
            await nowhere.dial(connection)
    assert names.asked == 3


async def test_a_name_that_is_nobodys_is_unreachable(names):
    names.addresses = ()
    with pytest.raises(Unreachable, match="its name cannot be resolved"):
        await dialler(1).dial(connection)


async def test_an_address_that_refuses_makes_room_for_the_next(names, listening):
    names.addresses = ("127.0.0.2", "127.0.0.1")
    (await dialler(listening).dial(connection)).abort()


async def test_an_address_that_is_silent_is_overtaken_and_hung_up(names, listening, monkeypatch):
    names.addresses = ("2001:db8::1", "127.0.0.1")
    loop = asyncio.get_running_loop()
    connect, tried, left = loop.create_connection, [], []

    async def create_connection(make, address, port, **options):
        tried.append(address)
        if address != "127.0.0.1":
            try:
                await asyncio.Event().wait()
            finally:
                left.append(address)
        return await connect(make, address, port, **options)

    monkeypatch.setattr(loop, "create_connection", create_connection)
    (await dialler(listening).dial(connection)).abort()
    assert tried == ["2001:db8::1", "127.0.0.1"]
    await eventually(lambda: left == ["2001:db8::1"])


async def test_the_two_families_are_tried_in_turn(names):
    names.addresses = ("::1", "::2", "::1", "127.0.0.1", "127.0.0.2", "127.0.0.3")
    assert await dialler(1)._resolved() == ["::1", "127.0.0.1", "::2", "127.0.0.2", "127.0.0.3"]


async def test_a_connection_that_the_provider_closes_is_let_go_while_it_is_idle():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        pool = Pool(Dialler(Origin("127.0.0.1", port, tls=False, netloc=b"p"), Trust(), 5))
        first = await pool.connection()
        await first.ask(b"GET / HTTP/1.1\r\nhost: p\r\n\r\n", b"", body_wanted=True)
        await eventually(lambda: not pool._all)
        assert not pool._idle
        pool.close()


async def test_idle_connections_grow_old(listening, monkeypatch):
    monkeypatch.setattr("aigateway.gateway.http1.pool._KEPT_SECONDS", 0.05)
    pool = Pool(Dialler(Origin("127.0.0.1", listening, tls=False, netloc=b"p"), Trust(), 5))
    first, second = await pool.connection(), await pool.connection()
    for one in (first, second):
        one.idle_since = asyncio.get_running_loop().time()
        pool._fell_idle(one)
    assert await pool.connection() is second, "the last used one is used first"
    await eventually(lambda: first.closing)
    assert not second.closing
    pool.close()
    assert second.closing
