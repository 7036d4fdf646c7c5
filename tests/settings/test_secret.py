import copy
import json

import msgspec
import pytest

from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret, mask

VALUE = "sk-ant-a-very-secret-value-0042"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", ""),
        ("abc", "..."),
        ("abcd", "..."),
        ("abcde", "a...e"),
        ("a23456789", "a...9"),
        ("a234567890", "a2...90"),
        ("a234567890123456789", "a2...89"),
        ("a2345678901234567890", "a234...7890"),
        ("ä" * 20, "ääää...ääää"),
    ],
)
def test_masks_as_the_specification_says(value, shown):
    assert mask(value) == shown


def test_no_way_of_printing_shows_the_value():
    secret = Secret(VALUE)
    provider = ProviderSettings(type=ProviderType.OPENAI, name="x", base_url="https://x", keys=(secret,))
    printed = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>90}",
        repr([secret]),
        repr(provider),
        json.dumps({"key": secret}, default=str),
        msgspec.json.encode(provider, enc_hook=str).decode(),
    ]
    assert not [text for text in printed if VALUE[4:-4] in text]


def test_reveals_on_request_only():
    assert Secret(VALUE).reveal() == VALUE
    assert not hasattr(Secret(VALUE), "__dict__")


def test_equal_by_value():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), copy.copy(Secret("a"))}) == 1
