from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest

from aigateway.telemetry.labels import LONGEST_VALUE, OTHER, Children, Values, method_label, printable


@given(st.text())
def test_every_value_is_short_printable_and_can_be_scraped(value):
    registry = CollectorRegistry()
    Counter("models", "", ("model",), registry=registry).labels(printable(value)).inc()
    scraped = generate_latest(registry).decode()
    assert len(printable(value)) <= LONGEST_VALUE
    assert len(scraped.splitlines()) == 3


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("gpt-5", "gpt-5"),
        ("", ""),
        ("modèle 大", "modèle 大"),
        ('a"b\\c', 'a"b\\c'),
        ("a\nb\r\x00\x1b[31m", "a\ufffdb\ufffd\ufffd\ufffd[31m"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("turned \u202e round", "turned \ufffd round"),
        ("x" * 1000, "x" * LONGEST_VALUE),
    ],
)
def test_values_as_they_are_shown(value, label):
    assert Values(10).label(value) == label


def test_only_so_many_values_have_a_name():
    values = Values(3)
    assert [values.label(f"m{number}") for number in range(5)] == ["m0", "m1", "m2", OTHER, OTHER]
    assert values.label("m2") == "m2"


def test_a_long_value_is_not_kept_whole():
    values = Values(10)
    assert values.label("x" * 10_000_000) is values.label("x" * LONGEST_VALUE)
    assert {len(known) for known in values._labels} == {LONGEST_VALUE}


def test_only_so_many_combinations_have_children():
    made = []
    children = Children(lambda *labels: made.append(labels) or labels, most=2, folded=frozenset({1}))
    for number in range(100):
        children.of("openai", f"m{number}")
    assert made == [("openai", "m0"), ("openai", "m1"), ("openai", OTHER)]
    assert children.of("openai", "m1") is made[1]
    assert children.of("openai", "m99") is made[2]
    assert children.of("anthropic", "m99") == ("anthropic", OTHER)
    assert len(children) == 4


@pytest.mark.parametrize(("method", "label"), [("GET", "GET"), ("POST", "POST"), ("BREW", OTHER), ("get", OTHER)])
def test_methods(method, label):
    assert method_label(method) == label
