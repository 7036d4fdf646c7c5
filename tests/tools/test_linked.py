"""Accounts at services: linked by consent, used, renewed once, given up, unlinked. In both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Missing, Refused
from aigateway.settings.secret import Secret
from aigateway.settings.tools import AccountSettings, ToolServerSettings
from aigateway.store import external_auth
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.envelope import Keyring
from aigateway.tools import linked
from aigateway.tools.failures import NotLinked, ServerFailed
from aigateway.tools.grants import Grant, HttpGrants
from aigateway.tools.linked import LinkedAccounts
from tests.support.auth_server import CLIENT_ID, CLIENT_SECRET, AuthServer
from tests.support.people import Clock
from tests.support.waiting import eventually

ANN = Actor("11111111-1111-4111-8111-111111111111", "ann", "ann@example.com", "abcdefghij", frozenset())
BOB = Actor("22222222-2222-4222-8222-222222222222", "bob", "bob@example.com", "bbcdefghij", frozenset())
SESSION = "abcdefghij-session-of-ann"
BACK = "https://gateway.test/external-auth/hub/callback"
KEYS = Keyring([bytes(range(32))])


@pytest.fixture
def service():
    with AuthServer() as running:
        yield running


@pytest.fixture
def hub(service):
    account = AccountSettings(
        type="github",
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        auth_url=f"{service.url}/authorize",
        token_url=f"{service.url}/token",
        scopes=("repo", "read:user"),
    )
    return ToolServerSettings(name="hub", url="https://hub.example.com/mcp", account=account)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def store(store_url):
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


@pytest.fixture
def accounts(hub, store, clock):
    return LinkedAccounts([hub], store, KEYS, HttpGrants(clock.now), clock.now)


def consent(accounts, service, actor=ANN, session=SESSION):
    """A person goes to the service and says yes: the cookie, and what comes back."""
    question = accounts.begin(actor, session, "hub", BACK)
    back = parse_qs(urlsplit(service.consent(question.url)).query)
    return {"cookie": question.cookie, "state": back["state"][0], "code": back["code"][0], "error": ""}


async def link(accounts, service, actor=ANN, session=SESSION):
    await accounts.finish(actor, session, "hub", **consent(accounts, service, actor, session))


async def test_an_account_is_linked_by_code_with_pkce(accounts, service, hub):
    await link(accounts, service)
    [question] = service.questions
    assert (question["response_type"], question["client_id"]) == ("code", CLIENT_ID)
    assert question["redirect_uri"] == BACK
    assert question["scope"] == "repo read:user"
    assert question["code_challenge_method"] == "S256"
    [asked] = service.asked
    assert len(asked["code_verifier"]) >= 43
    assert asked["code_verifier"] not in str(question)
    assert await accounts.current(ANN.user_id, hub) == "access-canary-0002"
    shown = (await accounts.of(ANN.user_id))["hub"]
    assert (shown.has_refresh_token, shown.problem) == (True, "")
    assert "canary" not in repr(shown)


async def test_what_is_asked_is_new_each_time(accounts):
    first, second = (accounts.begin(ANN, SESSION, "hub", BACK) for _ in range(2))
    for name in ("state", "code_challenge"):
        one, other = (parse_qs(urlsplit(each.url).query)[name] for each in (first, second))
        assert one != other


async def test_an_answer_counts_only_for_the_person_and_the_session_that_asked(accounts, service):
    answer = consent(accounts, service)
    for actor, session in ((BOB, SESSION), (ANN, "abcdefghij-another-session")):
        with pytest.raises(Refused, match="did not ask for this account in this session"):
            await accounts.finish(actor, session, "hub", **answer)
    assert await accounts.of(BOB.user_id) == {}
    assert service.asked == [], "the code was not even shown to the service"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"state": "forged"}, "answered another question"),
        ({"state": ""}, "answered another question"),
        ({"state": "ü"}, "answered another question"),
        ({"cookie": ""}, "did not ask"),
        ({"cookie": "x.y"}, "did not ask"),
        ({"cookie": "x.!!!"}, "did not ask"),
        ({"code": ""}, "did not grant access"),
        ({"error": "access_denied"}, r"did not grant access \(access_denied\)"),
        ({"error": "<script>"}, r"did not grant access \(no code\)"),
        ({"code": "forged"}, "the service refused it: invalid_grant"),
    ],
)
async def test_an_answer_that_is_not_the_right_one_links_nothing(accounts, service, change, told):
    answer = consent(accounts, service) | change
    with pytest.raises(Refused, match=told):
        await accounts.finish(ANN, SESSION, "hub", **answer)
    assert await accounts.of(ANN.user_id) == {}


async def test_an_answer_that_comes_too_late_links_nothing(accounts, service, clock):
    answer = consent(accounts, service)
    clock.at += timedelta(minutes=11)
    with pytest.raises(Refused, match="too long ago"):
        await accounts.finish(ANN, SESSION, "hub", **answer)


async def test_a_cookie_of_one_server_does_not_count_for_another(hub, store, clock, service):
    other = replace(hub, name="other")
    accounts = LinkedAccounts([hub, other], store, KEYS, HttpGrants(clock.now), clock.now)
    answer = consent(accounts, service)
    with pytest.raises(Refused, match="did not ask"):
        await accounts.finish(ANN, SESSION, "other", **answer)


async def test_without_a_key_nothing_is_linked_and_the_option_is_named(hub, store, clock):
    accounts = LinkedAccounts([hub], store, None, HttpGrants(clock.now), clock.now)
    with pytest.raises(Refused, match="CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS"):
        accounts.begin(ANN, SESSION, "hub", BACK)


async def test_a_token_that_ends_is_renewed_before_it_is_used(accounts, service, hub, clock):
    await link(accounts, service)
    clock.at += timedelta(seconds=3590)
    assert await accounts.current(ANN.user_id, hub) == "access-canary-0004"
    assert await accounts.current(ANN.user_id, hub) == "access-canary-0004"
    assert [asked["grant_type"] for asked in service.asked] == ["authorization_code", "refresh_token"]


async def test_many_requests_renew_a_token_once(accounts, service, hub, clock):
    await link(accounts, service)
    clock.at += timedelta(hours=2)
    found = await asyncio.gather(*(accounts.current(ANN.user_id, hub) for _ in range(10)))
    assert set(found) == {"access-canary-0004"}
    assert len(service.asked) == 2


async def test_two_replicas_that_renew_at_once_end_with_the_same_token(hub, store, clock, service):
    one, other = (LinkedAccounts([hub], store, KEYS, HttpGrants(clock.now), clock.now) for _ in range(2))
    await link(one, service)
    clock.at += timedelta(hours=2)
    service.hold.clear()
    asking = [asyncio.create_task(each.current(ANN.user_id, hub)) for each in (one, other)]
    await eventually(lambda: len(one._turns) + len(other._turns) == 2)
    service.hold.set()
    found = await asyncio.gather(*asking)
    assert len(set(found)) == 1
    assert (await one.of(ANN.user_id))["hub"].problem == ""


async def test_a_token_that_was_refused_is_not_given_again(accounts, service, hub):
    await link(accounts, service)
    first = await accounts.current(ANN.user_id, hub)
    second = await accounts.current(ANN.user_id, hub, not_this=first)
    assert first != second
    assert await accounts.current(ANN.user_id, hub) == second


async def test_a_refresh_that_was_revoked_is_shown_and_not_tried_for_ever(accounts, service, hub, clock, monkeypatch):
    monkeypatch.setattr(linked, "_OTHERS_SECONDS", 0.0)
    await link(accounts, service)
    service.revoke()
    clock.at += timedelta(hours=2)
    for _ in range(3):
        with pytest.raises(NotLinked, match="hub does not renew the account's token any more; link it again"):
            await accounts.current(ANN.user_id, hub)
    assert len(service.asked) == 2
    assert "link it again" in (await accounts.of(ANN.user_id))["hub"].problem
    await link(accounts, service)
    assert (await accounts.of(ANN.user_id))["hub"].problem == ""
    assert await accounts.current(ANN.user_id, hub)


async def test_a_token_without_a_refresh_token_ends(accounts, service, hub, clock):
    service.refresh_tokens = False
    await link(accounts, service)
    await accounts.current(ANN.user_id, hub)
    clock.at += timedelta(hours=2)
    assert "has ended" in (await accounts.of(ANN.user_id))["hub"].problem
    with pytest.raises(NotLinked, match="has ended; link it again"):
        await accounts.current(ANN.user_id, hub)


async def test_a_token_without_an_end_is_used_until_it_is_refused(accounts, service, hub, clock):
    service.expires_in, service.refresh_tokens = None, False
    await link(accounts, service)
    clock.at += timedelta(days=400)
    token = await accounts.current(ANN.user_id, hub)
    with pytest.raises(NotLinked):
        await accounts.current(ANN.user_id, hub, not_this=token)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"no json"),
        (200, b"[]"),
        (200, b'{"access_token": ""}'),
        (200, b'{"access_token": "a\\nb"}'),
        (200, b'{"access_token": "a", "token_type": "mac"}'),
        (200, b'{"access_token": "a", "refresh_token": 5}'),
        (200, b'{"error": "bad_verification_code"}'),
        (500, b""),
        (302, b""),
        (200, b" " * 100_000),
    ],
)
async def test_an_answer_without_a_token_links_nothing_and_repeats_no_secret(accounts, service, answer):
    sent = consent(accounts, service)
    service.answer = answer
    with pytest.raises(Refused, match="The account was not linked") as caught:
        await accounts.finish(ANN, SESSION, "hub", **sent)
    assert CLIENT_SECRET not in str(caught.value)
    assert await accounts.of(ANN.user_id) == {}


async def test_a_service_that_is_away_for_a_moment_ends_nothing(accounts, service, hub, clock):
    await link(accounts, service)
    clock.at += timedelta(hours=2)
    service.answer = (503, b"")
    with pytest.raises(ServerFailed, match="cannot be renewed now") as caught:
        await accounts.current(ANN.user_id, hub)
    assert not caught.value.forbids
    service.answer = None
    assert await accounts.current(ANN.user_id, hub) == "access-canary-0004"


async def test_an_unlinked_account_is_gone_at_once_and_somebody_is_told(accounts, service, hub):
    told = []

    async def tell(user_id, name):
        told.append((user_id, name))

    accounts.changed = tell
    await link(accounts, service)
    await accounts.unlink(ANN, "hub")
    with pytest.raises(NotLinked, match="no account is linked at hub"):
        await accounts.current(ANN.user_id, hub)
    with pytest.raises(Missing):
        await accounts.unlink(ANN, "hub")
    assert told == [(ANN.user_id, "hub")] * 2


async def test_one_persons_account_is_nobody_elses(accounts, service, hub):
    await link(accounts, service)
    with pytest.raises(NotLinked):
        await accounts.current(BOB.user_id, hub)
    with pytest.raises(Missing):
        await accounts.unlink(BOB, "hub")
    assert await accounts.of(BOB.user_id) == {}


async def test_a_stolen_row_is_of_no_use(accounts, service, hub, store):
    await link(accounts, service)
    theirs = await store.read(external_auth.find, ANN.user_id, "hub")
    await store.write(external_auth.put, replace(theirs, user_id=BOB.user_id))
    with pytest.raises(ServerFailed, match="cannot be decrypted; link it again"):
        await accounts.current(BOB.user_id, hub)
    assert "cannot be decrypted" in (await accounts.of(BOB.user_id))["hub"].problem


async def test_people_keep_their_tokens_while_the_database_is_away(accounts, service, hub, clock, monkeypatch):
    await link(accounts, service)
    token = await accounts.current(ANN.user_id, hub)

    async def away(*_args, **_kwargs):
        raise StoreUnavailable("away")

    monkeypatch.setattr(accounts._store, "read", away)
    assert await accounts.current(ANN.user_id, hub) == token
    for user_id, not_this in ((BOB.user_id, ""), (ANN.user_id, token)):
        with pytest.raises(ServerFailed, match="the database is away"):
            await accounts.current(user_id, hub, not_this=not_this)
    clock.at += timedelta(hours=2)
    with pytest.raises(ServerFailed, match="the database is away"):
        await accounts.current(ANN.user_id, hub)


async def test_no_secret_is_in_the_row(accounts, service, store):
    await link(accounts, service)
    row = await store.read(external_auth.find, ANN.user_id, "hub")
    assert b"canary" not in row.tokens.data
    grant = msgspec.json.decode(KEYS.unseal(row.tokens, row.place), type=Grant)
    assert grant.access_token == "access-canary-0002"
    assert "canary" not in repr(grant) + repr(row)


async def test_a_server_without_accounts_has_none(accounts):
    with pytest.raises(Missing):
        accounts.begin(ANN, SESSION, "nowhere", BACK)
