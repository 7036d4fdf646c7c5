"""Every place where AWS's default credential chain looks, found once, renewed in the background, never per request."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from aigateway.providers.bedrock import identity as module
from aigateway.providers.bedrock.identity import identities
from aigateway.providers.signer import Unsigned
from aigateway.settings.bedrock import AccessKey, BedrockProtocol, BedrockSettings
from aigateway.settings.secret import Secret
from tests.support.bedrock import PAIR
from tests.support.fake_aws import FakeAws
from tests.support.fake_bedrock import ACCESS_KEY, REGION, SECRET

ROLE = "arn:aws:iam::123456789012:role/bedrock"


@pytest.fixture
def aws():
    with FakeAws() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, tmp_path):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "DEFAULT_REGION", "REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Clock:
    """Time as the identities see it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def found(keys=(), **settings):
    return identities(BedrockSettings(protocol=BedrockProtocol.INVOKE, region=REGION, access_keys=keys, **settings))


async def keys_of(identity):
    credentials = await identity.credentials()
    return credentials.access_key, credentials.secret_key, credentials.token


async def test_the_operators_own_pairs(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    first, second = found((PAIR, AccessKey(Secret("AKIASECONDEXAMPLE222"), Secret("s2"))))
    assert (first.hint, second.hint) == ("AKIA...MPLE", "AKIA...E222")
    assert await keys_of(first) == (ACCESS_KEY, SECRET, None)
    assert await keys_of(second) == ("AKIASECONDEXAMPLE222", "s2", None)


async def test_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT12345")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    (identity,) = found()
    assert identity.hint == ""
    assert await keys_of(identity) == ("AKIAENVIRONMENT12345", "secret", "token")
    assert identity.hint == "AKIA...2345"


async def test_a_profile_of_the_shared_files(monkeypatch, tmp_path):
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id = AKIATEAM\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_PROFILE", "team")
    assert await keys_of(found()[0]) == ("AKIATEAM", "secret", None)


@pytest.fixture
def container(monkeypatch, aws):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/container")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "task")
    return aws


async def test_a_container(container):
    key, secret, token = await keys_of(found()[0])
    assert (key, secret, token) == ("ASIACONTAINER1EXAMPLE", "secret-container-1", "token-container-1")
    assert container.forms == [{"authorization": "task"}]


@pytest.fixture
def instance(monkeypatch, aws):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url)
    return aws


async def test_an_instance(instance):
    key, secret, token = await keys_of(found()[0])
    assert (key, secret, token) == ("ASIAINSTANCE1EXAMPLE", "secret-instance-1", "token-instance-1")


async def test_a_web_identity(monkeypatch, aws, tmp_path):
    (tmp_path / "token").write_text("a-jwt")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert (await keys_of(found()[0]))[0] == "ASIAWEB1EXAMPLE"
    (form,) = aws.forms
    assert (form["WebIdentityToken"], form["RoleArn"]) == ("a-jwt", ROLE)


async def test_a_role_on_top_of_the_operators_pair(monkeypatch, aws):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    (identity,) = found((PAIR,), role_arn=ROLE, external_id="ours")
    assert identity.hint == ""
    assert await keys_of(identity) == ("ASIAROLE1EXAMPLE", "secret-role-1", "token-role-1")
    (form,) = aws.forms
    assert (form["RoleArn"], form["ExternalId"], form["RoleSessionName"]) == (ROLE, "ours", "ai-gateway")
    assert f"Credential={ACCESS_KEY}/" in form["authorization"]
    assert f"/{REGION}/sts/" in form["authorization"]


async def test_a_role_on_top_of_an_instance(monkeypatch, instance):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", instance.url)
    (identity,) = found(role_arn=ROLE)
    assert (await keys_of(identity))[0] == "ASIAROLE1EXAMPLE"
    assert "Credential=ASIAINSTANCE1EXAMPLE/" in instance.forms[0]["authorization"]
    assert "ExternalId" not in instance.forms[0]


async def test_many_requests_at_once_ask_once(instance):
    (identity,) = found()
    await asyncio.gather(*(identity.credentials() for _ in range(50)))
    await asyncio.gather(*(identity.credentials() for _ in range(50)))
    assert instance.asked["instance"] == 1


async def test_they_are_renewed_beside_the_requests_and_before_they_expire(container, clock):
    container.lifetime = timedelta(minutes=12)  # botocore renews, at every look, what lives for less than fifteen
    (identity,) = found()
    first = await identity.credentials()
    asked = container.asked["container"]
    container.lifetime = timedelta(hours=6)
    clock.now += 59
    assert await identity.credentials() is first
    clock.now += 2
    assert await identity.credentials() is first, "the request that noticed did not wait"
    await identity._look
    second = await identity.credentials()
    assert second.access_key != first.access_key
    clock.now += 61
    await identity.credentials()
    await identity._look
    assert container.asked["container"] == asked + 1


async def test_after_a_long_silence_a_request_waits_for_good_ones(container, clock):
    container.lifetime = timedelta(minutes=12)
    (identity,) = found()
    first = await identity.credentials()
    clock.now += 3600
    assert (await identity.credentials()).access_key != first.access_key


async def test_a_failed_renewal_harms_nobody_while_the_old_ones_are_good(container, clock):
    container.lifetime = timedelta(minutes=12)
    (identity,) = found()
    first = await identity.credentials()
    container.broken = True
    clock.now += 61
    assert await identity.credentials() is first
    await asyncio.wait([identity._look])
    assert (await identity.credentials()).access_key == first.access_key


async def test_nothing_found_is_said_and_looked_for_again(monkeypatch, clock):
    (identity,) = found()
    with pytest.raises(Unsigned, match="default credential chain found none"):
        await identity.credentials()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALATE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(Unsigned):
        await identity.credentials()
    clock.now += 3
    assert (await keys_of(identity))[0] == "AKIALATE"


async def test_a_role_that_is_refused_is_said_without_a_secret(monkeypatch, aws):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.url)
    aws.broken = True
    monkeypatch.setattr(module, "_STS_SECONDS", 1)
    (identity,) = found((PAIR,), role_arn=ROLE)
    with pytest.raises(Unsigned, match="no AWS credentials for Amazon Bedrock: Unable to parse response") as caught:
        await identity.credentials()
    assert SECRET not in str(caught.value)


async def test_a_request_that_is_broken_off_does_not_stop_the_look(instance):
    (identity,) = found()
    waiting = asyncio.create_task(identity.credentials())
    await asyncio.sleep(0)
    waiting.cancel()
    assert (await keys_of(identity))[0] == "ASIAINSTANCE1EXAMPLE"
    assert instance.asked["instance"] == 1
