from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from aigateway.accounts import tokens


def test_a_minted_token_is_one_and_its_hash_is_all_that_is_kept():
    minted = tokens.mint()
    assert re.fullmatch(r"[A-Za-z0-9]{10}-[A-Za-z0-9]{22}", minted.text)
    key_id, secret = tokens.parse(minted.text)
    assert key_id == minted.key_id
    assert secret.encode() not in minted.hashed_secret
    assert tokens.shown(minted.text) == (minted.key_id, tokens.hash_secret(secret))
    assert tokens.is_same(tokens.hash_secret(secret), minted.hashed_secret)
    assert not tokens.is_same(tokens.hash_secret(secret[:-1] + "!"), minted.hashed_secret)
    assert tokens.shown("nonsense") is None
    assert tokens.mint().text != minted.text


@given(st.text(max_size=40))
def test_other_texts_are_no_tokens(text):
    assert tokens.parse(text) is None or re.fullmatch(r"[A-Za-z0-9]{10}-[A-Za-z0-9]{22}", text)


def test_neither_a_line_end_nor_other_alphabets_belong_to_a_token():
    good = "a" * 10 + "-" + "b" * 22
    assert tokens.parse(good)
    foreign = (good.replace("a", "\u0430"), good.replace("b", "\uff11"))
    for bad in (*foreign, good + "\n", " " + good, good + "b", good[1:], ""):
        assert tokens.parse(bad) is None
