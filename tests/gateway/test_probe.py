"""What operators are told of a provider, by what it does when it is called."""

from __future__ import annotations

import pytest

from aigateway.gateway import probe
from aigateway.gateway.probe import Prober
from aigateway.gateway.transport import ConnectTimeout, Disconnected, Unreachable
from aigateway.providers.pool import Fault
from aigateway.providers.provider import build
from aigateway.providers.signer import Unsigned
from aigateway.providers.status import ProbedTooSoon
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret

KEY = "sk-0123456789-secret-9876543210"
KEYS = (Secret(KEY),)


class Answer:
    def __init__(self, status, content_type="application/json"):
        self.status = status
        self.headers = [(b"Content-Type", content_type.encode())]
        self.closed = False

    def close(self):
        self.closed = True


class Upstream:
    """A transport that says one thing, and remembers what it was asked."""

    def __init__(self, says):
        self.says = says
        self.asked = []

    async def send(self, request):
        self.asked.append(request)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def provider(kind=ProviderType.OPENAI, keys=KEYS, base_url="https://api.example.com/v1/"):
    return build(ProviderSettings(type=kind, name="it", base_url=base_url, keys=keys))


async def told(says, **made):
    upstream = Upstream(says)
    return await Prober({"it": provider(**made)}, upstream).probe("it"), upstream.asked


@pytest.mark.parametrize(
    ("kind", "base_url", "url", "header"),
    [
        (ProviderType.OPENAI, "https://a.example.com/v1", "https://a.example.com/v1/models", b"authorization"),
        (ProviderType.ANTHROPIC, "https://a.example.com", "https://a.example.com/v1/models?limit=1", b"x-api-key"),
    ],
)
async def test_the_list_of_models_is_asked_for_with_the_providers_key(kind, base_url, url, header):
    found, [asked] = await told(Answer(200), kind=kind, base_url=base_url)
    assert (asked.method, asked.url, asked.body) == ("GET", url, b"")
    assert KEY.encode() in dict(asked.headers)[header]
    assert (found.ok, found.status, found.key) == (True, 200, "sk-0...3210")
    assert found.message == "The provider answered and took the key."
    assert found.latency_ms >= 0


@pytest.mark.parametrize(
    ("says", "ok", "sentence"),
    [
        (Answer(401), False, "refused the key"),
        (Answer(403), False, "refused the key"),
        (Answer(429), True, "at its rate limit"),
        (Answer(404), False, "no list of models below the base URL"),
        (Answer(301), False, "redirects are not followed"),
        (Answer(400), False, "did not understand"),
        (Answer(503), False, "trouble of its own"),
        (Answer(200, "text/html"), False, "no API of a provider"),
        (Unreachable("the provider could not be reached: its name cannot be resolved"), False, "cannot be resolved"),
        (Unreachable("the provider could not be reached: TLS failed (CERTIFICATE)"), False, "TLS failed (CERTIFICATE)"),
        (ConnectTimeout("the provider could not be connected to in time"), False, "connected to in time"),
        (Disconnected("the provider ended the connection", stale=False), False, "ended the connection"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence(says, ok, sentence):
    found, _ = await told(says)
    assert (found.ok, sentence in found.message) == (ok, True), found
    assert found.message[0].isupper()
    assert found.message.endswith(".")
    assert KEY not in str(found)
    assert found.status == getattr(says, "status", None)
    assert getattr(says, "closed", True)


async def test_one_that_never_answers_is_given_up(monkeypatch):
    import asyncio

    class Silent:
        async def send(self, _request):
            await asyncio.Event().wait()

    monkeypatch.setattr(probe, "_PATIENCE", 0.01)
    found = await Prober({"it": provider()}, Silent()).probe("it")
    assert (found.ok, "did not answer within" in found.message) == (False, True)


@pytest.mark.parametrize(
    ("kind", "says", "ok", "sentence"),
    [
        (ProviderType.OPENAI, Answer(401), True, "own keys and logins cannot be tried"),
        (ProviderType.OPENAI, Answer(200), True, "answers without a key"),
        (ProviderType.OPENAI, Answer(404), False, "no list of models"),
        (ProviderType.COPILOT, Answer(404), True, "can be reached"),
        (ProviderType.COPILOT, Answer(502), False, "trouble of its own"),
    ],
)
async def test_without_a_key_it_says_what_can_be_tried(kind, says, ok, sentence):
    found, [asked] = await told(says, kind=kind, keys=())
    assert (found.ok, found.key, sentence in found.message) == (ok, "", True)
    assert not {b"authorization", b"x-api-key"} & set(dict(asked.headers))


async def test_the_key_is_the_one_that_the_next_request_would_show():
    both = provider(keys=(Secret(KEY), Secret("sk-second-0123456789-key")))
    both.pool.rest(0, Fault.UNAUTHORIZED, 60)
    found = await Prober({"it": both}, Upstream(Answer(200))).probe("it")
    assert found.key == "sk-s...-key"


async def test_what_signs_is_tried_and_says_why_it_cannot():
    from dataclasses import replace

    from msgspec import structs

    class Signer:
        hint = "AKIA...1234"
        nothing = False

        async def sign(self, request):
            if self.nothing:
                raise Unsigned("There are no AWS credentials. Set them.")
            return structs.replace(request, headers=[*request.headers, (b"authorization", b"AWS4")])

    signer = Signer()
    signed = replace(provider(keys=()), signers=(signer,))
    upstream = Upstream(Answer(404))
    found = await Prober({"it": signed}, upstream).probe("it")
    assert (found.ok, found.key, dict(upstream.asked[0].headers)[b"authorization"]) == (True, "AKIA...1234", b"AWS4")
    signer.nothing = True
    found = await Prober({"it": signed}, upstream).probe("it")
    assert (found.ok, found.message) == (False, "There are no AWS credentials. Set them.")


async def test_a_provider_is_called_once_in_a_while_whoever_asks():
    now = [0.0]
    upstream = Upstream(Answer(200))
    prober = Prober({"it": provider(), "other": provider()}, upstream, monotonic=lambda: now[0])
    await prober.probe("it")
    with pytest.raises(ProbedTooSoon) as soon:
        await prober.probe("it")
    assert (soon.value.seconds, str(soon.value)) == (5, "This provider was tested a moment ago. Wait 5 s.")
    await prober.probe("other")
    now[0] = 5.0
    await prober.probe("it")
    assert len(upstream.asked) == 3
    assert await prober.probe("nobody") is None
