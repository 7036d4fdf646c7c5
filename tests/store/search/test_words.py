from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.store.search.words import BREAK, Phrase, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("get_user", ["get", "user"]),
        ("src/app.py", ["src", "app", "py"]),
        ("Don't PANIC!", ["don", "t", "panic"]),
        ("https://example.com:8080/a?b=c", ["https", "example", "com", "8080", "a", "b", "c"]),
        ("Straße", ["strasse"]),
        ("naïve café", ["naïve", "café"]),
        ("cafe\u0301", ["café"]),  # the accent as a character of its own
        ("\uff21\uff22\uff23\uff11\uff12", ["abc12"]),  # of full width
        ("東京都に住む", ["東", "京", "都", "に", "住", "む"]),
        ("Python入門", ["python", "入", "門"]),
        ("서울 사람", ["서", "울", "사", "람"]),
        ("ﾃｽﾄ", ["テ", "ス", "ト"]),
        ("привет МИР", ["привет", "мир"]),
        ("\x00a\x00b", ["a", "b"]),
        (f"a{BREAK}b", ["a", "b"]),
        ("  ", []),
    ],
)
def test_what_words_a_text_has(text, found):
    assert words(text).split() == found


@given(st.text())
def test_words_are_letters_and_digits_and_their_own_words(text):
    found = words(text).split()
    assert all(word.isalnum() for word in found)
    assert words(" ".join(found)).split() == found


@given(st.text(st.characters(max_codepoint=127)))
def test_text_in_ascii_has_the_words_that_it_has_beside_other_text(text):
    assert words(text).split() == words(f"{text} é").split()[:-1]


def test_a_phrase_without_words_is_none():
    assert Phrase.of("?!") is None
    assert Phrase.of("Get_us*") == Phrase(("get", "us"), begins=True)
    with pytest.raises(ValueError, match="words"):
        Phrase(())
    with pytest.raises(ValueError, match="words"):
        Phrase(('a" OR "b',))
