from __future__ import annotations

import pytest

from aigateway.providers.credentials import CredentialMissing, bearer_of, choose, pooled
from aigateway.providers.pool import Fault
from tests.providers.making import provider


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        ("BEARER abc", "abc"),
        ("Bearer", None),
        ("Bearer a b", None),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_a_bearer_has_exactly_two_fields(header, token):
    assert bearer_of(header) == token


def test_centralized_openai_shows_its_key_as_a_bearer():
    credential = choose(provider("openai"), {"authorization": "Bearer gateway-token"}, byok=False)
    assert credential.headers == ((b"authorization", b"Bearer sk-central-0123456789abcdef"),)
    assert (credential.kind, credential.hint) == ("centralized", "sk-c...cdef")


def test_centralized_anthropic_shows_its_key_as_x_api_key():
    credential = choose(provider("anthropic"), {}, byok=False)
    assert credential.headers == ((b"x-api-key", b"sk-central-0123456789abcdef"),)


def test_byok_shows_the_persons_own_bearer():
    for type_ in ("openai", "anthropic"):
        credential = choose(provider(type_), {"authorization": "Bearer sk-own-0123456789abcdef"}, byok=True)
        assert credential.headers == ((b"authorization", b"Bearer sk-own-0123456789abcdef"),)
        assert (credential.kind, credential.hint) == ("byok", "sk-o...cdef")


def test_byok_anthropic_prefers_the_api_key_and_drops_the_bearer():
    headers = {"authorization": "Bearer tok", "x-api-key": "sk-own-0123456789abcdef"}
    assert choose(provider("anthropic"), headers, byok=True).headers == ((b"x-api-key", b"sk-own-0123456789abcdef"),)


def test_openai_ignores_x_api_key():
    credential = choose(provider("openai"), {"x-api-key": "sk-own"}, byok=True)
    assert credential.kind == "centralized"


def test_byok_without_a_credential_of_ones_own_uses_the_central_key():
    assert choose(provider("anthropic"), {}, byok=True).kind == "centralized"


def test_a_provider_without_keys_is_called_without_a_credential():
    credential = choose(provider("openai", keys=()), {"authorization": "Bearer gateway-token"}, byok=False)
    assert credential.headers == ()
    assert credential.hint == ""


def test_copilot_takes_the_persons_own_token_only():
    copilot = provider("copilot", keys=())
    assert choose(copilot, {"authorization": "Bearer gho_0123456789"}, byok=True).kind == "byok"
    with pytest.raises(CredentialMissing, match="GitHub Copilot takes your own login"):
        choose(copilot, {}, byok=True)


def test_a_copilot_request_that_is_not_byok_shows_no_gateway_token():
    """The bearer is the gateway token then: it was once taken for the person's login."""
    with pytest.raises(CredentialMissing):
        choose(provider("copilot", keys=()), {"authorization": "Bearer gateway-token"}, byok=False)


def test_of_several_keys_the_first_usable_one_is_chosen():
    several = provider("openai", keys=("sk-one-0123456789abcde1", "sk-two-0123456789abcde2"))
    assert choose(several, {}, byok=False).place == 0
    several.pool.rest(0, Fault.RATE_LIMITED, 60)
    assert choose(several, {}, byok=False).hint == "sk-t...cde2"
    several.pool.rest(1, Fault.RATE_LIMITED, 60)
    assert choose(several, {}, byok=False).place == 0


def test_a_key_is_made_ready_to_be_shown_once_and_never_printed():
    made = provider("openai", keys=("sk-first-0123456789abcdef", "sk-other-0123456789abcdef"))
    assert pooled(made, 1) is pooled(made, 1)
    assert pooled(made, 0).headers != pooled(made, 1).headers
    assert "0123456789" not in repr(made)
