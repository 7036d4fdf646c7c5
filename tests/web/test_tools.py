"""The page of tools, and linking an account from it, with a real authorization server."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from aigateway.settings.secret import Secret
from aigateway.settings.tools import AccountSettings, ToolServerSettings
from aigateway.store.envelope import Keyring
from aigateway.telemetry.events import Events
from aigateway.tools.box import Servers
from aigateway.tools.choosing import Listed
from aigateway.tools.credentials import Credentials
from aigateway.tools.failures import ServerFailed
from aigateway.tools.grants import HttpGrants
from aigateway.tools.linked import LinkedAccounts
from aigateway.tools.service import ToolService
from aigateway.web.app import create_web
from tests.support.auth_server import CLIENT_ID, CLIENT_SECRET, AuthServer
from tests.web.conftest import ORIGIN, Browser


class Connection:
    def __init__(self, url):
        self.url = url

    async def list_tools(self):
        if "down" in self.url:
            raise ServerFailed("it cannot be reached (<b>refused</b>)")
        return [Listed("search", "", {"type": "object"}), Listed("<i>bad</i>", "", {})]

    async def close(self):
        pass


@pytest.fixture
def service():
    with AuthServer() as running:
        yield running


@pytest.fixture
async def tools(world, service):
    account = AccountSettings(
        type="github",
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        auth_url=f"{service.url}/authorize",
        token_url=f"{service.url}/token",
        scopes=(),
    )
    configured = [
        ToolServerSettings(name="hub", url="https://hub.test/mcp", account=account),
        ToolServerSettings(name="docs", url="https://docs.test/mcp"),
        ToolServerSettings(name="down", url="https://down.test/mcp"),
    ]
    keys = Keyring([bytes(32)])
    accounts = LinkedAccounts(configured, world.store, keys, HttpGrants(world.clock.now), world.clock.now)
    servers = Servers(
        configured,
        credentials=Credentials(accounts),
        connect=lambda url, _headers, _changed: Connection(url),
        result_of=lambda answer: answer,
        ttl=300,
        call_timeout=5,
        most=1000,
        events=Events(),
    )
    accounts.changed = servers.forget
    yield ToolService(servers, accounts)
    await servers.stop()


@pytest.fixture
async def browser(site, world, tools):
    transport = httpx2.ASGITransport(create_web(replace(site, tools=tools)), client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(
        transport=transport, base_url=ORIGIN, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    ) as client:
        yield Browser(client, world)


async def come_back(browser, service, path="/external-auth/hub/link"):
    """Follow the link to the service, say yes there, and follow it back."""
    away = await browser.get(path)
    assert away.status_code == 303
    back = service.consent(away.headers["location"])
    assert back.startswith(f"{ORIGIN}/external-auth/hub/callback?")
    return await browser.get(back)


async def test_an_account_is_linked_and_unlinked_on_the_page(browser, ann, service):
    await browser.be(ann)
    page = await browser.get("/tools")
    assert "not linked" in page.text
    assert "hub" in (await browser.get("/connect")).text
    assert 'href="/tools">Link one' in (await browser.get("/connect")).text
    back = await come_back(browser, service)
    assert (back.status_code, back.headers["location"]) == (303, "/tools")
    [hub, *_] = (await browser.get("/tools.json")).json()
    assert hub["account"]["authenticated"]
    assert hub["account"]["has_refresh_token"]
    assert "Link one" not in (await browser.get("/connect")).text
    gone = await browser.submit("/tools", "/external-auth/hub/unlink")
    assert gone.headers["location"] == "/tools"
    assert (await browser.get("/tools.json")).json()[0]["account"] is None


async def test_the_question_is_kept_in_a_cookie_that_scripts_and_other_sites_do_not_get(browser, ann):
    await browser.be(ann)
    cookie = (await browser.get("/external-auth/hub/link")).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/external-auth/", "Max-Age=600"):
        assert part in cookie
    assert "Secure" not in cookie, "this server is reached without TLS"


async def test_the_redirect_address_is_exactly_the_documented_one(browser, ann, site, world, tools):
    app = create_web(replace(site, tools=tools, access_url="https://gateway.example.com"))
    await browser.be(ann)
    browser.client._transport = httpx2.ASGITransport(app)
    away = await browser.get("/external-auth/hub/link")
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert asked["redirect_uri"] == ["https://gateway.example.com/external-auth/hub/callback"]
    assert "Secure" in away.headers["set-cookie"]


async def test_an_answer_without_a_question_links_nothing(browser, ann, service):
    await browser.be(ann)
    answer = await browser.get("/external-auth/hub/callback?code=forged&state=forged")
    assert answer.status_code == 403
    assert "did not ask for this account" in answer.text
    assert service.asked == []


async def test_an_answer_in_another_session_links_nothing(browser, ann, service):
    await browser.be(ann)
    away = await browser.get("/external-auth/hub/link")
    back = service.consent(away.headers["location"])
    await browser.be(ann)
    assert (await browser.get(back)).status_code == 403
    assert service.asked == []


async def test_a_refusal_at_the_service_is_told(browser, ann):
    await browser.be(ann)
    away = await browser.get("/external-auth/hub/link")
    state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
    answer = await browser.get(f"/external-auth/hub/callback?error=access_denied&state={state}")
    assert answer.status_code == 403
    assert "did not grant access (access_denied)" in answer.text


async def test_another_site_does_not_start_it(browser, ann):
    await browser.be(ann)
    answer = await browser.get("/external-auth/hub/link", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.headers["location"] == "/tools"
    assert "set-cookie" not in answer.headers


async def test_nobody_gets_nowhere(browser, ann):
    for path in ("/tools", "/external-auth/hub", "/external-auth/hub/link", "/external-auth/hub/callback?code=x"):
        assert (await browser.get(path)).headers["location"].startswith("/signin")
    assert (await browser.submit(None, "/external-auth/hub/unlink")).status_code in {303, 403}


@pytest.mark.parametrize("path", ["/external-auth/docs/link", "/external-auth/nowhere/link", "/external-auth/nowhere"])
async def test_there_is_nothing_to_link_elsewhere(browser, ann, path):
    await browser.be(ann)
    assert (await browser.get(path)).status_code == 404


async def test_operators_see_how_servers_do_and_what_is_left_out(browser, boss, ann, tools):
    actor = await browser.world.actor("bob")
    await tools.servers.offered(actor)
    await browser.be(boss)
    page = (await browser.get("/tools")).text
    assert "https://docs.test/mcp" in page
    assert "bmcp_docs_search" in page
    assert "&lt;i&gt;bad&lt;/i&gt;" in page
    assert "has an input schema that is not of the type object" in page
    assert "it cannot be reached (&lt;b&gt;refused&lt;/b&gt;)" in page
    await browser.be(ann)
    page = (await browser.get("/tools")).text
    assert "https://docs.test/mcp" not in page
    assert "status" not in (await browser.get("/tools.json")).json()[0]


async def test_without_servers_the_page_says_so(site, world, ann):
    transport = httpx2.ASGITransport(create_web(site), client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Accept": "text/html"}) as client:
        browser = Browser(client, world)
        await browser.be(ann)
        assert "No MCP server is configured" in (await browser.get("/tools")).text
        assert (await browser.get("/tools.json")).json() == []
