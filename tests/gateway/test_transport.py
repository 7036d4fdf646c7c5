"""The seam to providers, against servers that speak raw HTTP: what goes out, what comes back, what is never done."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from aigateway.gateway.aiohttp_transport import AiohttpTransport
from aigateway.gateway.http1.transport import HttpTransport
from aigateway.gateway.transport import ConnectTimeout, Disconnected, Truncated, Unreachable
from aigateway.providers.upstream import UpstreamRequest
from tests.support.certificates import write_pair

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Cut(bytes):
    """An answer behind which the connection is closed."""


class Wire:
    """A server that keeps what it got and answers by a script: one answer a request, in order."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if isinstance(answer, Cut):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers, tls=None):
    wire = Wire(*answers)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()


@pytest.fixture(params=[HttpTransport, AiohttpTransport])
async def make_transport(request):
    made = []

    def make(**options):
        made.append(request.param(**{"connect_timeout": 5} | options))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


def ask(url, *, method="POST", headers=(), body=b"{}"):
    return UpstreamRequest(method, url, list(headers), body)


async def whole(answer):
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return b"".join(pieces)


async def test_nothing_is_added_to_what_is_sent_but_the_host_and_the_length(make_transport):
    headers = [(b"x-b", b"2"), (b"x-a", b"1"), (b"x-name", "Zoë".encode())]
    async with serving(OK) as wire:
        answer = await make_transport().send(ask(f"http://127.0.0.1:{wire.port}/a%2Cb?q=%20x", headers=headers))
        assert await whole(answer) == b"ok"
    head, _, body = wire.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a%2Cb?q=%20x HTTP/1.1"
    assert sorted(line.lower() for line in lines[1:]) == sorted(
        [
            b"host: 127.0.0.1:%d" % wire.port,
            b"content-length: 2",
            b"x-b: 2",
            b"x-a: 1",
            "x-name: Zoë".encode().lower(),
        ]
    )
    assert body == b"{}"


async def test_redirects_are_not_followed_and_cookies_not_kept(make_transport):
    redirect = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n"
    async with serving(redirect, OK) as wire:
        transport = make_transport()
        answer = await transport.send(ask(f"http://127.0.0.1:{wire.port}/"))
        assert answer.status == 302
        await whole(answer)
        await whole(await transport.send(ask(f"http://127.0.0.1:{wire.port}/")))
    assert b"cookie" not in wire.requests[1].lower()


async def test_compressed_bytes_stay_compressed(make_transport):
    async with serving(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nraw!") as wire:
        assert await whole(await make_transport().send(ask(f"http://127.0.0.1:{wire.port}/"))) == b"raw!"


async def test_connections_are_used_again(make_transport):
    async with serving(OK, OK) as wire:
        transport = make_transport()
        for _ in range(2):
            await whole(await transport.send(ask(f"http://127.0.0.1:{wire.port}/")))
        assert wire.connections == 1


async def test_a_connection_that_the_provider_closed_meanwhile_is_told_apart(make_transport):
    async with serving(OK, None) as wire:
        transport = make_transport()
        await whole(await transport.send(ask(f"http://127.0.0.1:{wire.port}/")))
        with pytest.raises(Disconnected) as broken:
            await transport.send(ask(f"http://127.0.0.1:{wire.port}/"))
        assert broken.value.stale


async def test_a_fresh_connection_that_ends_without_an_answer_is_no_stale_one(make_transport):
    async with serving(None) as wire:
        with pytest.raises(Disconnected) as broken:
            await make_transport().send(ask(f"http://127.0.0.1:{wire.port}/"))
        assert not broken.value.stale


async def test_a_refused_connection_is_unreachable(make_transport):
    with pytest.raises(Unreachable, match="connection refused"):
        await make_transport().send(ask("http://127.0.0.1:1/"))


async def test_a_name_that_does_not_exist_is_unreachable(make_transport):
    with pytest.raises(Unreachable, match="its name cannot be resolved"):
        await make_transport().send(ask("http://no-such-host.invalid/"))


async def test_a_provider_that_does_not_answer_the_tls_handshake_is_too_slow(make_transport):
    async def listen(reader, writer):
        await reader.read(-1)
        writer.close()

    silent = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, asyncio.timeout(10):
        with pytest.raises(ConnectTimeout):
            await make_transport(connect_timeout=0.3).send(ask(f"https://127.0.0.1:{port}/"))


async def test_what_came_before_a_cut_is_handed_out_before_the_cut_is_told(make_transport):
    async with serving(Cut(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")) as wire:
        answer = await make_transport().send(ask(f"http://127.0.0.1:{wire.port}/"))
        assert await answer.read() == b"half"
        with pytest.raises(Truncated, match="in the middle of its answer"):
            await answer.read()
        answer.close()


async def test_the_environments_proxy_is_used_and_its_exceptions_heeded(make_transport, monkeypatch):
    async with serving(OK) as proxy, serving(OK) as provider:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "localhost")
        transport = make_transport()
        await whole(await transport.send(ask("http://provider.example/v1/x")))
        assert proxy.requests[0].startswith(b"POST http://provider.example/v1/x HTTP/1.1\r\n")
        await whole(await transport.send(ask(f"http://localhost:{provider.port}/v1/x")))
        assert provider.requests[0].startswith(b"POST /v1/x HTTP/1.1\r\n")
        assert len(proxy.requests) == 1


async def test_passwords_of_netrc_are_never_sent(make_transport, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with serving(OK) as wire:
        await whole(await make_transport().send(ask(f"http://127.0.0.1:{wire.port}/")))
    assert b"authorization" not in wire.requests[0].lower()


async def test_a_private_authority_is_trusted_by_ssl_cert_file_and_not_otherwise(make_transport, monkeypatch, tmp_path):
    write_pair(tmp_path / "cert.pem", tmp_path / "key.pem", "provider")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with serving(OK, OK, tls=tls) as wire:
        with pytest.raises(Unreachable, match=r"TLS failed|certificate"):
            await make_transport().send(ask(f"https://127.0.0.1:{wire.port}/"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert await whole(await make_transport().send(ask(f"https://127.0.0.1:{wire.port}/"))) == b"ok"
