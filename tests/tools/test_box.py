"""The toolbox: who is offered what and when, and what of it a request has to wait for."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from aigateway.accounts.actor import Actor
from aigateway.settings.secret import Secret
from aigateway.settings.tools import AccountSettings, ToolServerSettings
from aigateway.telemetry.events import Events
from aigateway.tools import box, session
from aigateway.tools.box import Servers
from aigateway.tools.choosing import Listed
from aigateway.tools.credentials import Credentials, NoTokens
from aigateway.tools.failures import NotLinked, ServerFailed
from aigateway.tools.offer import Text, ToolResult
from tests.support.waiting import eventually

ANN = Actor("11111111-1111-4111-8111-111111111111", "ann", "ann@example.com", "abcdefghij", frozenset())
BOB = Actor("22222222-2222-4222-8222-222222222222", "bob", "bob@example.com", "bbcdefghij", frozenset())
ACCOUNT = AccountSettings(
    type="", client_id="id", client_secret=None, auth_url="https://a", token_url="https://t", scopes=()
)
SCHEMA = {"type": "object"}


def settings(name, **more):
    return ToolServerSettings(name=name, url=f"https://{name}.example.com/mcp", **more)


class Remote:
    """Servers as a test wants them: what they list, how long that takes, and what they were shown."""

    def __init__(self):
        self.tools = {}
        self.gates = {}
        self.failures = {}
        self.connections = []
        self.listed = []
        self.refused = set()

    def connect(self, url, headers, changed):
        connection = RemoteConnection(self, re.search(r"//(\w+)\.", url)[1], dict(headers), changed)
        self.connections.append(connection)
        return connection


class RemoteConnection:
    def __init__(self, remote, name, headers, changed):
        self.remote = remote
        self.name = name
        self.headers = headers
        self.changed = changed
        self.closed = False

    async def _enter(self):
        if (gate := self.remote.gates.get(self.name)) is not None:
            await gate.wait()
        if self.headers.get("Authorization") in self.remote.refused:
            raise ServerFailed("it answered with HTTP status 401", status=401)
        if failure := self.remote.failures.get(self.name):
            raise failure

    async def list_tools(self):
        self.remote.listed.append(self.name)
        await self._enter()
        return [Listed(name, "", SCHEMA) for name in self.remote.tools.get(self.name, ())]

    async def call(self, tool, arguments):
        await self._enter()
        return ToolResult((Text(f"{self.name} {tool} {arguments} {self.headers}"),), raw="{}")

    async def close(self):
        self.closed = True


class Tokens:
    """Keeps tokens in memory; the next one is used where one was refused."""

    def __init__(self):
        self.of = {}

    async def current(self, user_id, server, *, not_this=""):
        tokens = [token for token in self.of.get((user_id, server.name), ()) if token != not_this]
        if not tokens:
            raise NotLinked(f"link an account at {server.name}")
        return tokens[0]


@pytest.fixture
def remote():
    return Remote()


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
async def make(remote, tokens):
    made = []

    def build(*servers, **more):
        options = {"ttl": 300.0, "call_timeout": 5.0, "most": 1000, "events": Events()} | more
        made.append(
            Servers(
                servers,
                credentials=Credentials(tokens),
                connect=remote.connect,
                result_of=lambda answer: answer,
                **options,
            )
        )
        return made[-1]

    yield build
    for each in made:
        await each.stop()


async def names(servers, actor=ANN):
    return [tool.name for tool in await servers.offered(actor)]


async def test_a_first_request_waits_for_the_servers_and_gets_their_tools(make, remote):
    remote.tools = {"one": ["b", "a"], "two": ["c"]}
    servers = make(settings("one"), settings("two"))
    assert await names(servers) == ["bmcp_one_a", "bmcp_one_b", "bmcp_two_c"]


async def test_a_fresh_list_is_not_fetched_again(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"))
    for _ in range(3):
        await names(servers)
    assert remote.listed == ["one"]


async def test_what_everybody_shares_is_looked_at_before_anybody_asks(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"), settings("own", account=ACCOUNT))
    servers.start()
    await eventually(lambda: servers.statuses.statuses()[0].reachable)
    assert remote.listed == ["one"]


async def test_a_first_request_waits_two_seconds_at_the_most_and_the_next_ones_not_at_all(make, remote, monkeypatch):
    monkeypatch.setattr(box, "_FIRST_SECONDS", 0.5)
    remote.tools = {"one": ["a"], "two": ["b"], "three": ["c"]}
    remote.gates = {"two": asyncio.Event(), "three": asyncio.Event()}
    servers = make(settings("one"), settings("two"), settings("three"))
    began = time.monotonic()
    at_once = await asyncio.gather(names(servers), names(servers))
    took = time.monotonic() - began
    assert at_once == [["bmcp_one_a"]] * 2
    assert 0.45 < took < 0.95, "in all, not for each server"
    began = time.monotonic()
    assert await names(servers) == ["bmcp_one_a"]
    assert time.monotonic() - began < 0.4
    remote.gates["two"].set()
    await eventually(lambda: servers.statuses.statuses()[1].reachable)
    assert await names(servers) == ["bmcp_one_a", "bmcp_two_b"]


async def test_two_seconds_are_two_seconds():
    assert box._FIRST_SECONDS == 2.0


async def test_a_stale_list_is_used_while_a_new_one_is_fetched(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"), ttl=0.0)
    await names(servers)
    remote.tools = {"one": ["b"]}
    remote.gates["one"] = asyncio.Event()
    assert await names(servers) == ["bmcp_one_a"]
    await eventually(lambda: len(remote.listed) == 2)
    assert await names(servers) == ["bmcp_one_a"]
    remote.gates["one"].set()
    await eventually(lambda: servers.statuses.statuses()[0].tools == ("bmcp_one_b",))
    assert await names(servers) == ["bmcp_one_b"]


async def test_a_server_that_says_its_tools_changed_is_asked_again(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"))
    await names(servers)
    remote.tools = {"one": ["a", "b"]}
    remote.connections[0].changed()
    await eventually(lambda: len(servers.statuses.statuses()[0].tools) == 2)
    assert await names(servers) == ["bmcp_one_a", "bmcp_one_b"]


async def test_a_server_that_is_down_takes_nothing_from_the_others_and_is_not_waited_for_again(make, remote):
    remote.tools = {"one": ["a"]}
    remote.failures = {"two": ServerFailed("it cannot be reached (refused)")}
    servers = make(settings("one"), settings("two"))
    assert await names(servers) == ["bmcp_one_a"]
    assert await names(servers) == ["bmcp_one_a"]
    assert remote.listed == ["one", "two"], "and not asked again for a while"
    status = servers.statuses.statuses()[1]
    assert (status.reachable, status.error) == (False, "it cannot be reached (refused)")


async def test_a_server_that_goes_down_later_keeps_its_tools_for_a_while(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"), ttl=0.0)
    await names(servers)
    remote.failures = {"one": ServerFailed("it cannot be reached")}
    await names(servers)
    await eventually(lambda: servers.statuses.statuses()[0].reachable is False)
    assert await names(servers) == ["bmcp_one_a"]


async def test_a_server_that_never_answers_is_given_up(make, remote, monkeypatch):
    monkeypatch.setattr(session, "LIST_SECONDS", 0.05)
    remote.gates = {"one": asyncio.Event()}
    servers = make(settings("one"))
    assert await names(servers) == []
    status = servers.statuses.statuses()[0]
    assert (status.reachable, status.error) == (False, "it did not answer within 0.05 s")


async def test_the_organisations_credential_is_sent(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one", headers=(("X-Key", Secret("abc")),)))
    [tool] = await servers.offered(ANN)
    await servers.call(ANN, tool, "{}")
    assert [connection.headers for connection in remote.connections] == [{"X-Key": "abc"}]


async def test_each_person_has_their_own_account_and_list(make, remote, tokens):
    remote.tools = {"own": ["a"]}
    tokens.of = {(ANN.user_id, "own"): ["ann-1"], (BOB.user_id, "own"): ["bob-1"]}
    servers = make(settings("own", account=ACCOUNT))
    for actor in (ANN, BOB):
        [tool] = await servers.offered(actor)
        await servers.call(actor, tool, "{}")
    assert [connection.headers["Authorization"] for connection in remote.connections] == [
        "Bearer ann-1",
        "Bearer bob-1",
    ]


async def test_no_account_no_tools_and_it_is_said(make, remote):
    remote.tools = {"own": ["a"]}
    servers = make(settings("own", account=ACCOUNT))
    assert await names(servers) == []
    assert remote.listed == []
    assert servers.failures(ANN.user_id) == {"own": "link an account at own"}
    assert servers.statuses.statuses()[0].reachable is None, "it says nothing of the server"


async def test_an_account_that_is_linked_counts_from_the_next_request(make, remote, tokens):
    remote.tools = {"own": ["a"]}
    servers = make(settings("own", account=ACCOUNT))
    await names(servers)
    tokens.of = {(ANN.user_id, "own"): ["ann-1"]}
    await servers.forget(ANN.user_id, "own")
    assert await names(servers) == ["bmcp_own_a"]
    tokens.of = {}
    await servers.forget(ANN.user_id, "own")
    assert await names(servers) == []
    assert remote.connections[0].closed


async def test_a_token_that_is_refused_is_renewed_once_and_the_call_made_again(make, remote, tokens):
    remote.tools = {"own": ["a"]}
    tokens.of = {(ANN.user_id, "own"): ["old", "new"]}
    servers = make(settings("own", account=ACCOUNT))
    [tool] = await servers.offered(ANN)
    remote.refused = {"Bearer old"}
    result = await servers.call(ANN, tool, "{}")
    assert "Bearer new" in result.content[0].text
    remote.refused = {"Bearer old", "Bearer new"}
    assert (await servers.call(ANN, tool, "{}")).failure == "it answered with HTTP status 401"


async def test_tools_go_when_the_account_is_refused(make, remote, tokens):
    remote.tools = {"own": ["a"]}
    tokens.of = {(ANN.user_id, "own"): ["one"]}
    servers = make(settings("own", account=ACCOUNT), ttl=0.0)
    assert await names(servers) == ["bmcp_own_a"]
    remote.refused = {"Bearer one"}
    await names(servers)
    await eventually(lambda: len(remote.listed) == 2)
    assert await names(servers) == []


@pytest.mark.parametrize("arguments", ["[1]", "nonsense", "1", "[" * 100_000])
async def test_arguments_that_are_no_object_are_not_sent(make, remote, arguments):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"))
    [tool] = await servers.offered(ANN)
    assert (await servers.call(ANN, tool, arguments)).failure == "the arguments are no JSON object"


async def test_no_arguments_are_an_empty_object(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"))
    [tool] = await servers.offered(ANN)
    assert "one a {}" in (await servers.call(ANN, tool, "")).content[0].text


async def test_a_call_that_takes_too_long_is_a_failure_with_the_limit(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"), call_timeout=0.05)
    [tool] = await servers.offered(ANN)
    remote.gates["one"] = asyncio.Event()
    assert (await servers.call(ANN, tool, "{}")).failure == "it did not answer within 0.05 s"


async def test_an_answer_that_is_too_large_is_a_failure_with_the_limit(make, remote, monkeypatch):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"), most=10)
    [tool] = await servers.offered(ANN)
    monkeypatch.setattr(servers, "_result_of", lambda _answer: ToolResult(raw="x" * 11))
    assert (await servers.call(ANN, tool, "{}")).failure == "it sent more than 10 bytes"


async def test_whatever_goes_wrong_in_a_call_is_a_result(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"))
    [tool] = await servers.offered(ANN)
    remote.failures = {"one": RuntimeError("boom")}
    assert (await servers.call(ANN, tool, "{}")).failure == "the gateway could not read the answer"


async def test_a_cancelled_call_is_cancelled(make, remote):
    remote.tools = {"one": ["a"]}
    servers = make(settings("one"))
    [tool] = await servers.offered(ANN)
    remote.gates["one"] = asyncio.Event()
    call = asyncio.create_task(servers.call(ANN, tool, "{}"))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_what_nobody_uses_is_closed(make, remote, tokens, monkeypatch):
    remote.tools = {"own": ["a"], "one": ["b"]}
    tokens.of = {(ANN.user_id, "own"): ["one"]}
    servers = make(settings("own", account=ACCOUNT), settings("one"))
    await names(servers)
    await servers.sweep()
    assert not any(connection.closed for connection in remote.connections)
    monkeypatch.setattr(box, "_IDLE_SECONDS", 0.0)
    await servers.sweep()
    assert {connection.name: connection.closed for connection in remote.connections} == {"own": True, "one": False}
    assert await names(servers) == ["bmcp_one_b", "bmcp_own_a"]


async def test_events_hear_how_servers_do(make, remote):
    class Heard(Events):
        def __init__(self):
            self.all = []

        def tools_listed(self, server, tools, *, reachable):
            self.all.append((server, tools, reachable))

        def tool_called(self, server, seconds, *, failed):
            self.all.append((server, seconds >= 0, failed))

    heard = Heard()
    remote.tools = {"one": ["a"]}
    remote.failures = {"two": ServerFailed("no")}
    servers = make(settings("one"), settings("two"), events=heard)
    [tool] = await servers.offered(ANN)
    await servers.call(ANN, tool, "{}")
    await servers.call(ANN, tool, "nonsense")
    assert heard.all == [("one", 1, True), ("two", 0, False), ("one", True, False), ("one", True, True)]


async def test_where_no_accounts_can_be_linked_there_are_no_tokens():
    with pytest.raises(NotLinked):
        await NoTokens().current(ANN.user_id, settings("own", account=ACCOUNT))
