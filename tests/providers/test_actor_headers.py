import pytest

from aigateway.providers.actor_headers import ActorHeaders
from aigateway.providers.headers import to_upstream
from aigateway.settings.providers import ProviderType

ALL = ActorHeaders(b"x-who", b"x-name", b"x-mail")
ANN = ("6f1c", "ann", "ann@example.com")


def told(headers, provider=ProviderType.OPENAI, actor=ANN):
    return to_upstream([(b"x-who", b"forged"), (b"x-other", b"1")], (), headers.telling(provider, *actor))


def test_who_asks_is_told_in_place_of_what_the_client_says():
    assert told(ALL) == [
        (b"x-other", b"1"),
        (b"x-who", b"6f1c"),
        (b"x-name", b"ann"),
        (b"x-mail", b"ann@example.com"),
    ]


def test_only_what_has_a_name_is_told():
    assert told(ActorHeaders(None, b"x-name", None)) == [(b"x-who", b"forged"), (b"x-other", b"1"), (b"x-name", b"ann")]
    assert told(ActorHeaders()) == [(b"x-who", b"forged"), (b"x-other", b"1")]


def test_copilot_is_told_nothing_and_hears_nothing_forged():
    assert told(ALL, ProviderType.COPILOT) == [(b"x-other", b"1")]


def test_an_account_without_an_address_tells_none():
    assert told(ALL, actor=("6f1c", "robot", None))[-1] == (b"x-name", b"robot")


@pytest.mark.parametrize(
    ("email", "value"),
    [("zoë@example.com", b"zo%C3%AB@example.com"), ("a@b\x7f\r\nx-forged: 1", b"a@b%7F%0D%0Ax-forged%3A%201")],
)
def test_what_a_header_cannot_hold_is_percent_encoded(email, value):
    assert told(ALL, actor=("6f1c", "zoe", email))[-1] == (b"x-mail", value)


def test_a_client_cannot_have_our_headers_dropped_as_hop_by_hop():
    sent = [(b"connection", b"x-who")]
    assert to_upstream(sent, (), ALL.telling(ProviderType.OPENAI, *ANN))[0] == (b"x-who", b"6f1c")
