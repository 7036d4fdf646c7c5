"""The SDK's client against a real server, in both eras of the protocol, with servers of all manners."""

from __future__ import annotations

import asyncio
import json

import pytest

from aigateway.tools.connection import Connection
from aigateway.tools.failures import ServerFailed
from aigateway.tools.offer import EmbeddedResource, OtherContent, Text
from aigateway.tools.results import result_of
from tests.support.mcp_server import McpServer
from tests.support.waiting import eventually

MOST = 100_000


@pytest.fixture(params=["current", "sessions"])
def server(request):
    names = ("echo", "fail", "picture", "slow", "huge", "die")
    with McpServer(names, sessions=request.param == "sessions") as running:
        yield running


@pytest.fixture
async def connect():
    """Makes connections, and closes them."""
    made = []

    def make(url, headers=None, changed=lambda: None):
        made.append(Connection(url, headers or {}, most=MOST, changed=changed))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_tools_are_listed_over_all_pages(server, connect):
    server.page = 2
    found = await connect(server.url).list_tools()
    assert [tool.name for tool in found] == ["echo", "fail", "picture", "slow", "huge", "die"]
    assert found[0].description == "Does echo."
    assert found[0].input_schema["type"] == "object"


async def test_a_call_carries_its_arguments_and_the_credential(server, connect):
    result = result_of(await connect(server.url, {"Authorization": "Bearer abc"}).call("echo", {"text": "hü"}))
    assert result.content == (Text(json.dumps({"text": "hü"})),)
    assert not result.is_error
    assert json.loads(result.raw)["content"][0]["type"] == "text"
    assert ": " not in result.raw.replace('\\": ', "")
    assert server.called == [("echo", {"text": "hü"}, "Bearer abc")]


async def test_the_servers_own_error_is_a_result(server, connect):
    result = result_of(await connect(server.url).call("fail", {}))
    assert (result.is_error, result.failure, result.content) == (True, None, (Text("no such issue"),))


async def test_every_kind_of_content_is_told_apart(server, connect):
    result = result_of(await connect(server.url).call("picture", {}))
    assert result.content == (
        Text("look"),
        OtherContent("image"),
        OtherContent("audio"),
        OtherContent("link"),
        EmbeddedResource("text/plain", "file:///b", "bee"),
        EmbeddedResource("application/x-c", "file:///c", "Yw=="),
    )


async def test_ten_megabytes_are_not_taken_and_the_connection_goes_on(server, connect):
    server.size = 10 * 2**20
    connection = connect(server.url)
    with pytest.raises(ServerFailed, match="it sent more than 100000 bytes"):
        await connection.call("huge", {})
    assert result_of(await connection.call("echo", {})).content == (Text("{}"),)


async def test_calls_run_at_the_same_time(server, connect):
    connection = connect(server.url)
    slow = asyncio.create_task(connection.call("slow", {}))
    await eventually(lambda: server.called)
    await connection.call("echo", {})
    assert not slow.done()
    server.hurry()
    await slow


async def test_a_call_that_is_cancelled_is_cancelled_at_the_server(server, connect):
    call = asyncio.create_task(connect(server.url).call("slow", {}))
    await eventually(lambda: server.called)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(lambda: server.cancelled == 1)


async def test_a_connection_that_is_cut_in_mid_call_fails_that_call_and_no_other(server, connect):
    connection = connect(server.url)
    with pytest.raises(ServerFailed):
        await connection.call("die", {})
    assert result_of(await connection.call("echo", {})).content == (Text("{}"),)


async def test_a_change_of_tools_is_heard_of(server, connect):
    heard = []
    connection = connect(server.url, changed=lambda: heard.append(1))
    await connection.list_tools()
    await eventually(lambda: server.sessions or len(server.headers) >= 3)

    def told():
        server.offer("echo", "new")
        return heard

    await eventually(told)
    assert "new" in [tool.name for tool in await connection.list_tools()]


async def test_a_server_that_restarts_and_forgets_its_sessions_is_greeted_anew(connect):
    with McpServer(sessions=True) as server:
        connection = connect(server.url)
        await connection.list_tools()
        server._server._session_manager._server_instances.clear()
        assert result_of(await connection.call("echo", {})).content == (Text("{}"),)


async def test_a_credential_that_is_refused_is_told_as_such(server, connect):
    server.tokens = {"right"}
    with pytest.raises(ServerFailed, match="HTTP status 401") as caught:
        await connect(server.url, {"Authorization": "Bearer wrong"}).list_tools()
    assert caught.value.forbids
    assert len(await connect(server.url, {"Authorization": "Bearer right"}).list_tools()) == 6


async def test_a_server_that_is_down_is_told_at_once(connect):
    with McpServer() as server:
        url = server.url
    with pytest.raises(ServerFailed, match="it cannot be reached"):
        await connect(url).list_tools()


def listing(tools):
    return json.dumps({"jsonrpc": "2.0", "id": "$ID", "result": {"tools": tools}}).encode().replace(b'"$ID"', b"$ID")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, b"no json", []), "it failed"),
        ((200, b"[" * 100_000, []), "it "),
        ((200, listing([{"name": 5}]), []), "did not answer as the Model Context Protocol has it"),
        ((200, b" " * 200_000, []), "it sent more than 100000 bytes"),
        ((500, b"", []), "HTTP status 500"),
        ((307, b"", [(b"location", b"http://127.0.0.1:1/mcp")]), "not followed"),
        ((200, b"{}", [(b"content-encoding", b"gzip")]), "compression"),
        ((202, b"", []), "202"),
    ],
)
async def test_what_is_no_answer_is_a_failure_that_says_so(server, connect, answer, told):
    connection = connect(server.url)
    await connection.list_tools()
    server.answer = lambda method: answer if method == "tools/list" else None
    with pytest.raises(ServerFailed, match=told):
        await connection.list_tools()
    server.answer = lambda _method: None
    assert len(await connection.list_tools()) == 6


async def test_a_list_without_an_end_is_given_up(server, connect, monkeypatch):
    monkeypatch.setattr("aigateway.tools.connection._MOST_PAGES", 3)
    server.page = 1
    with pytest.raises(ServerFailed, match="does not end within 3 pages"):
        await connect(server.url).list_tools()


async def test_closing_does_not_wait_for_a_server_that_hangs(server, connect, monkeypatch):
    monkeypatch.setattr("aigateway.tools.connection._CLOSE_SECONDS", 0.1)
    connection = connect(server.url)
    await connection.list_tools()
    server.block()
    async with asyncio.timeout(2):
        await connection.close()
    with pytest.raises(ServerFailed, match="the connection was closed"):
        await connection.list_tools()
    server.unblock()
