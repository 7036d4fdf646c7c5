from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.store.search.snippets import pattern, snippet
from aigateway.store.search.words import Phrase, words


def found(text, *asked):
    return snippet(text, [pattern(Phrase.of(one)) for one in asked])


def marked(text, *asked):
    """The snippet with brackets around what was found."""
    return "".join(f"[{piece}]" if is_found else piece for piece, is_found in found(text, *asked))


@pytest.mark.parametrize(
    ("text", "asked", "shown"),
    [
        ("please mend it", ["mend"], "please [mend] it"),
        ("please Mend\n\n\tit", ["mend it"], "please [Mend it]"),
        ("call get_user(now)", ["get user"], "call [get_user](now)"),
        ("call get_user(now)", ["get_us*"], "call [get_us]er(now)"),
        ("amend, mending, mend.", ["mend"], "amend, mending, [mend]."),
        ("one two three two", ["two", "three"], "one [two] [three] [two]"),
        ("b a", ["a b"], ""),
        ("これは東京都です", ["東京"], "これは[東京]都です"),
        ("東京tower", ["tower"], "東京[tower]"),
        ("tower東京", ["東"], "tower[東]京"),
        ("STRASSE und Straße", ["straße"], "[STRASSE] und [Straße]"),
        ("ßßß x", ["x"], "ßßß [x]"),
        ("\uff41\uff42\uff43", ["abc"], "[abc]"),
        ("nothing", ["else"], ""),
    ],
)
def test_what_was_found_is_marked_where_it_stands(text, asked, shown):
    assert marked(text, *asked) == shown


def test_a_long_text_is_cut_around_what_was_found():
    shown = marked(f"{'before ' * 100}needle{' behind' * 100}", "needle")
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "before [needle] behind" in shown
    assert len(shown) < 250


def test_however_long_what_was_found_is_little_is_shown():
    """A phrase may have any number of signs between its words."""
    assert len(marked(f"b{'_' * 100_000}a", "b a")) < 250


def test_no_text_takes_long():
    began = time.process_time()
    for text, asked in (
        ("a_" * 50_000, "a b"),
        ("a " * 50_000, "a a a a a a b"),
        ("_" * 100_000, "b a"),
        ("ß" * 99_999, "s"),
    ):
        found(text, asked)
    assert time.process_time() - began < 5


@given(st.text(max_size=60), st.text(min_size=1, max_size=6))
def test_what_the_index_finds_is_marked_and_nothing_else(text, asked):
    phrase = Phrase.of(asked.rstrip("* "))
    if phrase is None:
        return
    there = f" {' '.join(phrase.words)} " in f" {' '.join(words(text).split())} "
    assert bool(found(text, asked.rstrip("* "))) is there
