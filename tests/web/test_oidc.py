"""Signing in by OpenID Connect: the way in, and everything that must not be one."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from aiohttp import web
from joserfc.jwk import ECKey, RSAKey

from aigateway.accounts.errors import ProviderFailed
from aigateway.accounts.linked_sign_in import LinkedSignIn, SignUps
from aigateway.accounts.oidc import calls
from aigateway.accounts.oidc.flow import OpenIdConnect
from aigateway.accounts.oidc.provider import Provider
from aigateway.settings.model import OidcSettings
from aigateway.settings.secret import Secret
from aigateway.store import users
from aigateway.telemetry import logging
from aigateway.web.site import Oidc
from aigateway.web.walls import OIDC_CALLBACK
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.support.web import WebThread
from tests.web.conftest import ORIGIN

SESSION, ATTEMPT = "coder_session_token", "aigateway-signin"
DEFAULTS = OidcSettings(
    issuer_url="",
    client_id=CLIENT_ID,
    client_secret=Secret(CLIENT_SECRET),
    client_secret_file=None,
    scopes=("openid", "profile", "email"),
    auth_url_params={},
    ignore_userinfo=False,
    email_domain=(),
    ignore_email_verified=False,
    allow_signups=True,
    signups_disabled_text=None,
    username_field="preferred_username",
    name_field="name",
    email_field="email",
    group_field=None,
    allowed_groups=(),
    user_role_field=None,
    user_role_mapping={},
    user_role_default=(),
    sign_in_text="Example ID",
)


@pytest.fixture(scope="module")
def running():
    provider = OpenIdProvider()
    with WebThread(provider.app) as server:
        yield provider, server.url


@pytest.fixture
def provider(running):
    """A provider that behaves, and forgets what the test before did to it."""
    made, url = running
    app = made.app
    made.__init__()
    made.app, made.url = app, url
    return made


@pytest.fixture
def asked():
    """The settings that a test asks for, by `indirect` parametrisation or by changing them before the first page."""
    return {}


@pytest.fixture
def site(site, world, provider, asked):
    settings = msgspec.structs.replace(DEFAULTS, issuer_url=provider.url, **asked)
    flow = OpenIdConnect(settings, ORIGIN + OIDC_CALLBACK)
    people = LinkedSignIn(
        world.store,
        world.authenticator,
        world.accounts.keys.limits.session_duration,
        SignUps(settings.allow_signups, settings.signups_disabled_text),
        world.clock.now,
    )
    return replace(site, oidc=Oidc(flow, people, settings.sign_in_text))


@pytest.fixture
def logged():
    entries = []
    logging.follow(entries.append)
    yield entries
    logging.unfollow(entries.append)


class Door:
    """Somebody's way through the provider."""

    def __init__(self, browser, provider, site):
        self.browser = browser
        self.provider = provider
        self.site = site

    async def knock(self, place=""):
        """Press the button; where the provider sends the browser back to."""
        answer = await self.browser.get("/signin/oidc", params={"next": place} if place else {})
        assert answer.status_code == 303, answer.text
        return self.provider.authorize(urlsplit(answer.headers["location"]).query)

    async def enter(self, place=""):
        return await self.browser.get(await self.knock(place))

    @property
    def session(self):
        return self.browser.client.cookies.get(SESSION)

    async def me(self):
        """The account of whoever is signed in."""
        actor = await self.browser.world.authenticator.authenticate(self.session)
        return await self.browser.world.store.read(users.by_id, actor.user_id)


@pytest.fixture
def door(browser, provider, site):
    return Door(browser, provider, site)


async def refused(door, answer, sentence, status=403):
    """A page with a sentence, and nobody signed in."""
    assert (answer.status_code, door.session) == (status, None), answer.text
    assert "Sign in to AI Gateway" in answer.text
    assert sentence in answer.text.replace("&#34;", '"').replace("&#39;", "'")
    assert (await door.browser.get("/tokens.json")).status_code == 401


async def test_people_sign_in_and_land_where_they_wanted(door, provider, boss):
    page = await door.browser.get("/signin?next=/tokens%3Fall%3D1")
    assert "Sign in with Example ID" in page.text
    assert 'href="/signin/oidc?next=' in page.text
    answer = await door.enter("/tokens?all=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tokens?all=1")
    assert (await door.browser.get("/tokens")).status_code == 200
    me = await door.me()
    assert (me.username, me.email, me.name, me.login_type) == ("grace", "grace@example.com", "Grace Hopper", "oidc")
    assert (me.status, me.roles) == ("active", ())
    assert provider.calls == ["/.well-known/openid-configuration", "/token", "/keys", "/userinfo"]


async def test_cookies_are_for_this_server_and_this_sign_in_only(door, boss):
    begun = await door.browser.get("/signin/oidc")
    attempt = begun.headers["set-cookie"]
    assert attempt.startswith(f"{ATTEMPT}=")
    assert {"HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"} <= set(attempt.split("; "))
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["redirect_uri"] == [ORIGIN + OIDC_CALLBACK]
    assert query["scope"] == ["openid profile email"]
    assert {len(query[name][0]) for name in ("state", "nonce", "code_challenge")} == {43}
    entered = await door.enter()
    of_session, of_attempt = entered.headers.get_list("set-cookie")
    assert of_session.startswith(f"{SESSION}=")
    assert {"HttpOnly", "SameSite=lax"} <= set(of_session.split("; "))
    assert "Max-Age=0" in of_attempt
    assert door.browser.client.cookies.get(ATTEMPT) is None


async def test_over_tls_cookies_never_leave_it(site, world, provider, browser):
    from httpx2 import ASGITransport, AsyncClient

    from aigateway.web.app import create_web

    address = "https://gateway.test"
    transport = ASGITransport(create_web(replace(site, access_url=address)))
    async with AsyncClient(transport=transport, base_url=address) as client:
        begun = await client.get("/signin/oidc")
        assert begun.headers["set-cookie"].startswith("__Host-aigateway-signin=")
        assert "Secure" in begun.headers["set-cookie"]
        back = provider.authorize(urlsplit(begun.headers["location"]).query).replace("http://", "https://")
        cookies = (await client.get(back)).headers.get_list("set-cookie")
        assert [cookie.partition("=")[0] for cookie in cookies] == [SESSION, "__Host-aigateway-signin"]
        assert all("Secure" in cookie for cookie in cookies)


async def test_the_same_person_is_known_again_under_another_name(door, provider, boss):
    await door.enter()
    first = await door.me()
    provider.person |= {"email": "hopper@example.com", "preferred_username": "rear-admiral", "name": "G. Hopper"}
    before = door.session
    await door.enter()
    again = await door.me()
    assert door.session != before
    assert again.id == first.id
    assert (again.username, again.email, again.name) == ("grace", "hopper@example.com", "G. Hopper")


async def test_the_first_of_all_owns_the_server(door, provider):
    assert "Sign in with Example ID and own it" in (await door.browser.get("/setup")).text
    await door.enter()
    assert (await door.me()).roles == ("owner",)
    provider.person |= {"sub": "2", "email": "second@example.com"}
    await door.enter()
    assert (await door.me()).roles == ()


def key_error(provider):
    provider.signed_by = RSAKey.generate_key(2048, {"kid": "first"})


def hs256(provider):
    provider.header = {"alg": "HS256"}


def es256_unpublished(provider):
    provider.header, provider.signed_by = {"alg": "ES256"}, ECKey.generate_key("P-256", {"kid": "first"})


def says(status, **document):
    def change(provider):
        provider.token_answer = web.json_response(document, status=status)

    return change


def html(provider):
    provider.token_answer = web.Response(text="<html>proxy</html>", content_type="text/html")


def sets(**fields):
    def change(provider):
        for name, value in fields.items():
            setattr(provider, name, value)

    return change


def claims(**changed):
    return sets(claims=changed)


def person(**changed):
    def change(provider):
        provider.person |= changed

    return change


UNTRUSTED = "The provider's answer cannot be trusted."
AWAY = "The sign-in provider does not answer as it should."


def soon(seconds):
    return int(time.time()) + seconds


GROUPS = {"group_field": "groups", "allowed_groups": ("staff",)}

FLOWS = {
    "error from the provider": ({}, sets(callback={"error": "server_error"}), UNTRUSTED, "callback: server_error"),
    "person refused there": ({}, sets(callback={"error": "access_denied"}), "did not let you in", "access_denied"),
    "hostile error": ({}, sets(callback={"error": "<script>alert(1)</script>"}), UNTRUSTED, "callback: another error"),
    "no code": ({}, sets(callback={}), UNTRUSTED, "callback: no code"),
    "made-up code": ({}, sets(callback={"code": "made-up"}), "used already", "invalid_grant"),
    "another issuer's answer": (
        {},
        sets(callback={"code": "x", "iss": "https://evil.test"}),
        UNTRUSTED,
        "callback: it is of another issuer",
    ),
    "token endpoint fails": ({}, says(500, error="boom"), AWAY, "token endpoint: status 500, boom"),
    "token endpoint in HTML": ({}, html, AWAY, "token endpoint: status 200, no JSON"),
    "token endpoint lists": ({}, sets(token_answer=web.json_response([1])), AWAY, "no JSON object"),
    "token endpoint redirects": ({}, says(302, a="b"), AWAY, "token endpoint: status 302, no word of why"),
    "token endpoint is silent": ({}, sets(slow=True), AWAY, "token endpoint: no answer within"),
    "wrong client secret": ({"client_secret": Secret("wrong")}, sets(), AWAY, "invalid_client"),
    "no ID token": ({}, says(200, access_token="a"), UNTRUSTED, "token endpoint: no ID token"),
    "no token at all": ({}, says(200, access_token="a", id_token="a.b"), UNTRUSTED, "ID token: it is none"),
    "alg none": ({}, sets(header={"alg": "none"}), UNTRUSTED, "an algorithm that is not allowed"),
    "HS256 with the public key": ({}, hs256, UNTRUSTED, "an algorithm that is not allowed"),
    "an algorithm that was not announced": ({}, es256_unpublished, UNTRUSTED, "an algorithm that is not allowed"),
    "another key under the same id": ({}, key_error, UNTRUSTED, "no key of the provider's has signed it"),
    "unknown key id": ({}, sets(header={"kid": "other"}), UNTRUSTED, "no key of the provider's has signed it"),
    "wrong issuer": ({}, claims(iss="https://evil.test"), UNTRUSTED, "InvalidClaimError iss"),
    "no issuer": ({}, claims(iss=None), UNTRUSTED, "MissingClaimError iss"),
    "for another client": ({}, claims(aud="other"), UNTRUSTED, "InvalidClaimError aud"),
    "for several, without azp": ({}, claims(aud=[CLIENT_ID, "other"]), UNTRUSTED, "MissingClaimError azp"),
    "for several, to another": (
        {},
        claims(aud=[CLIENT_ID, "other"], azp="other"),
        UNTRUSTED,
        "InvalidClaimError azp",
    ),
    "expired": ({}, claims(exp=soon(-3600)), UNTRUSTED, "ExpiredTokenError"),
    "never expires": ({}, claims(exp=None), UNTRUSTED, "MissingClaimError exp"),
    "expires at a word": ({}, claims(exp="tomorrow"), UNTRUSTED, "InvalidClaimError exp"),
    "not yet valid": ({}, claims(nbf=soon(3600)), UNTRUSTED, "InvalidClaimError nbf"),
    "issued in the future": ({}, claims(iat=soon(3600)), UNTRUSTED, "InvalidClaimError iat"),
    "no nonce": ({}, claims(nonce=None), UNTRUSTED, "MissingClaimError nonce"),
    "another nonce": ({}, claims(nonce="other"), UNTRUSTED, "InvalidClaimError nonce"),
    "another access token's hash": ({}, claims(at_hash="AAAA"), UNTRUSTED, "InvalidClaimError at_hash"),
    "no subject": ({}, claims(sub=None), UNTRUSTED, "MissingClaimError sub"),
    "endless subject": ({}, claims(sub="x" * 300), UNTRUSTED, "sub is no text"),
    "userinfo of another subject": ({}, sets(userinfo={"sub": "mallory"}), UNTRUSTED, "userinfo: it is of another"),
    "e-mail not verified": ({}, person(email_verified=False), "did not verify|verified your e-mail", "not verified"),
    "e-mail perhaps verified": ({}, person(email_verified=None), "verified your e-mail", "not verified"),
    "no e-mail": ({}, person(email=None), '"email"', "no e-mail address"),
    "e-mail is a list": ({}, person(email=["a@example.com"]), '"email"', "no e-mail address"),
    "domain not allowed": (
        {"email_domain": ("example.org",)},
        person(email="grace@example.org.evil.test"),
        "of this domain",
        "domain not allowed",
    ),
    "groups missing": (GROUPS, sets(), "none of the groups", "in no allowed group"),
    "groups of others": (GROUPS, person(groups=["guests"]), "none of the groups", "in no allowed group"),
    "groups are no list": (GROUPS, person(groups={"staff": True}), "no list of words", "no list"),
    "groups are elsewhere": (GROUPS, person(_claim_names={"groups": "src1"}), "so many groups", "elsewhere"),
    "sign-ups closed": ({"allow_signups": False}, sets(), "no account here", "sign-ups are not allowed"),
}


@pytest.mark.parametrize(("asked", "change", "sentence", "reason"), FLOWS.values(), ids=FLOWS)
async def test_what_is_no_sign_in_ends_on_a_page_that_says_so(
    door, provider, boss, logged, monkeypatch, asked, change, sentence, reason
):
    monkeypatch.setattr(calls, "_PATIENCE", 0.2 if sentence is AWAY and "no answer" in reason else 10)
    change(provider)
    answer = await door.enter()
    status = 502 if sentence is AWAY else 403
    await refused(door, answer, sentence.rpartition("|")[2], status)
    assert "<script>alert" not in answer.text
    [entry] = [entry for entry in logged if entry.message == "sign-in by OpenID Connect failed"]
    assert reason in entry.fields["reason"]
    written = str(entry.fields)
    assert not any(secret in written for secret in (CLIENT_SECRET, "eyJ", "grace@", "248289761001"))


STATES = {
    "another state": lambda back: back.replace("state=", "state=x"),
    "no state": lambda back: back.partition("?")[0] + "?code=" + parse_qs(urlsplit(back).query)["code"][0],
    "a state that is no ASCII": lambda back: back.replace("state=", "state=%C3%BC"),
}


@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
async def test_an_answer_to_another_question_is_refused(door, boss, provider, change):
    answer = await door.browser.get(change(await door.knock()))
    await refused(door, answer, "not started in this browser")
    assert "/token" not in provider.calls


@pytest.mark.parametrize("cookie", [None, "", "e30=", "bnVsbA==", "%", "eyJzdGF0ZSI6MX0=", "WzFd", "a" * 5000])
async def test_an_answer_in_another_browser_is_refused(door, boss, provider, cookie):
    back = await door.knock()
    door.browser.client.cookies.delete(ATTEMPT)
    if cookie is not None:
        door.browser.client.cookies.set(ATTEMPT, cookie, domain="gateway.test")
    await refused(door, await door.browser.get(back), "not started in this browser")
    assert "/token" not in provider.calls


async def test_an_answer_counts_once(door, boss):
    back = await door.knock()
    attempt = door.browser.client.cookies.get(ATTEMPT)
    assert (await door.browser.get(back)).status_code == 303
    door.browser.client.cookies.clear()
    await refused(door, await door.browser.get(back), "not started in this browser")
    # Not even for whoever kept the cookie: the provider knows the code.
    door.browser.client.cookies.set(ATTEMPT, attempt, domain="gateway.test")
    await refused(door, await door.browser.get(back), "used already")


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test",
        "/\t/evil.test",
        "javascript:alert(1)",
        "/a\r\nX: y",
        "evil",
    ],
)
async def test_nobody_is_led_elsewhere_afterwards(door, boss, place):
    assert (await door.enter(place)).headers["location"] == "/"


async def test_not_even_by_a_cookie_of_ones_own(door, boss):
    from aigateway.accounts.oidc.flow import Attempt

    back = await door.knock()
    attempt = Attempt.unsealed(door.browser.client.cookies.get(ATTEMPT))
    door.browser.client.cookies.clear()
    sealed = replace(attempt, place="https://evil.test/").sealed()
    door.browser.client.cookies.set(ATTEMPT, sealed, domain="gateway.test")
    answer = await door.browser.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_keys_that_the_provider_changed_are_learnt(door, provider, boss):
    await door.enter()
    provider.key = RSAKey.generate_key(2048, {"kid": "second"})
    provider.published = [provider.key]
    assert (await door.enter()).status_code == 303
    assert provider.calls.count("/keys") == 2
    assert (await door.enter()).status_code == 303
    assert provider.calls.count("/keys") == 2


@pytest.mark.parametrize("header", [{"kid": None}, {"alg": "PS256"}])
async def test_tokens_without_a_key_id_and_other_asymmetric_algorithms_are_read(door, provider, boss, header):
    provider.header = header
    provider.published_as = None
    provider.metadata = {"id_token_signing_alg_values_supported": ["RS256", "PS256"]}
    assert (await door.enter()).status_code == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test"},
        {"issuer": None},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": ["x"]},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    ],
)
async def test_a_provider_that_describes_itself_wrongly_is_not_used(door, provider, boss, logged, metadata):
    provider.metadata = metadata
    answer = await door.browser.get("/signin/oidc")
    await refused(door, answer, AWAY, 502)
    assert any("metadata: " in str(entry.fields.get("reason")) for entry in logged)


async def test_while_the_provider_is_away_the_page_says_so_and_passwords_work(door, provider, world, monkeypatch):
    from aigateway.accounts.bootstrap import create_admin

    provider.down = True
    await create_admin(world.store, username="ada", email="ada@example.com", password="correct horse")
    await refused(door, await door.browser.get("/signin/oidc"), AWAY, 502)
    entered = await door.browser.submit("/signin", "/signin", email="ada@example.com", password="correct horse")
    assert entered.status_code == 303
    provider.down = False
    monkeypatch.setattr("aigateway.accounts.oidc.provider._SPARED_FOR", -1.0)
    assert (await door.enter()).status_code == 303


async def test_people_who_wait_for_a_silent_provider_do_not_wait_in_a_row(provider):
    now = [0.0]
    provider.down = True
    known = Provider(provider.url, lambda: now[0])
    for _ in range(3):
        with pytest.raises(ProviderFailed):
            await known.metadata()
    assert provider.calls == ["/.well-known/openid-configuration"]
    now[0], provider.down = 3.0, False
    assert (await known.metadata()).issuer == provider.url
    # What was learnt outlives another failure.
    now[0], provider.down = 4000.0, True
    assert (await known.metadata()).issuer == provider.url


@pytest.mark.parametrize(
    ("methods", "in_file"),
    [(["client_secret_post"], False), (["client_secret_basic"], False), (None, False), (["client_secret_post"], True)],
)
async def test_the_server_proves_itself_in_the_way_that_the_provider_takes(
    door, provider, boss, methods, in_file, tmp_path
):
    provider.metadata = {"token_endpoint_auth_methods_supported": methods}
    if in_file:
        file = tmp_path / "secret"
        file.write_text(f"{CLIENT_SECRET}\n")
        flow = door.site.oidc.flow
        flow.settings = msgspec.structs.replace(flow.settings, client_secret=None, client_secret_file=file)
    assert (await door.enter()).status_code == 303


async def test_a_secret_file_that_is_not_there_is_named_in_the_log(door, provider, boss, logged, tmp_path):
    flow = door.site.oidc.flow
    flow.settings = msgspec.structs.replace(flow.settings, client_secret=None, client_secret_file=tmp_path / "nothing")
    await refused(door, await door.enter(), AWAY, 502)
    assert any("--oidc-client-secret-file" in str(entry.fields.get("reason")) for entry in logged)


@pytest.mark.parametrize("asked", [{"ignore_userinfo": True}])
async def test_userinfo_is_not_asked_where_the_operator_says_so(door, provider, boss, asked):
    assert (await door.enter()).status_code == 303
    assert "/userinfo" not in provider.calls


async def test_an_account_with_a_password_is_not_taken_by_its_address(door, provider, world):
    await world.user("grace")
    await refused(door, await door.enter(), "There is an account with your e-mail address already")


async def test_whoever_is_signed_in_connects_their_account_and_signs_in_by_it(door, provider, world):
    grace = await world.user("grace")
    await door.browser.be(grace)
    assert "Connect with Example ID" in (await door.browser.get("/account")).text
    begun = await door.browser.get("/account/oidc", headers={"Sec-Fetch-Site": "same-origin"})
    back = provider.authorize(urlsplit(begun.headers["location"]).query)
    connected = await door.browser.get(back, follow_redirects=True)
    assert "Your account is connected" in connected.text
    door.browser.client.cookies.clear()
    await door.enter()
    me = await door.me()
    assert (me.id, me.login_type) == (grace.id, "password")


@pytest.mark.parametrize("site_of", ["cross-site", "same-site", "none", None])
async def test_no_other_site_makes_somebody_connect(door, world, site_of):
    await door.browser.be(await world.user("grace"))
    headers = {"Sec-Fetch-Site": site_of} if site_of else {}
    answer = await door.browser.get("/account/oidc", headers=headers)
    assert answer.status_code == 403
    assert "Open Account" in answer.text


async def test_what_one_began_to_connect_is_not_connected_to_another(door, provider, world):
    await door.browser.be(await world.user("grace"))
    begun = await door.browser.get("/account/oidc", headers={"Sec-Fetch-Site": "same-origin"})
    back = provider.authorize(urlsplit(begun.headers["location"]).query)
    mallory = await world.user("mallory")
    await door.browser.be(mallory)
    answer = await door.browser.get(back)
    assert (answer.status_code, "not signed in any more" in answer.text) == (403, True)
    assert (await door.browser.get("/account.json")).json()["connected"] is False


async def test_one_identity_is_of_one_account(door, provider, world, boss):
    await door.enter()
    await door.browser.be(await world.user("other"))
    begun = await door.browser.get("/account/oidc", headers={"Sec-Fetch-Site": "same-origin"})
    answer = await door.browser.get(provider.authorize(urlsplit(begun.headers["location"]).query))
    assert (answer.status_code, "Another account here" in answer.text) == (409, True)


async def test_the_suspended_stay_out(door, provider, world, boss):
    await door.enter()
    me = await door.me()
    actor = await world.authenticator.authenticate(await world.token(boss))
    await world.accounts.people.suspend(actor, me.id)
    door.browser.client.cookies.clear()
    await refused(door, await door.enter(), "suspended", 401)
    assert (await world.store.read(users.by_id, me.id)).status == "suspended"


async def test_whoever_signs_out_is_out(door, boss):
    await door.enter()
    session = door.session
    await door.browser.submit("/tokens", "/signout")
    assert await door.browser.world.authenticator.authenticate(session) is None
