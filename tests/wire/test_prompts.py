import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire import harness
from aigateway.wire.prompts import purpose_of, typed_text

R = "<system-reminder>\nx\n</system-reminder>"


@pytest.mark.parametrize(
    ("parts", "typed"),
    [
        ([], None),
        (["go"], "go"),
        ([" go \n"], " go \n"),
        (["one", "two"], "one\ntwo"),
        ([R, "go"], "go"),
        ([R, R + "\n", "go"], "go"),
        (["go", R], "go"),
        ([R, "go", "\n\n" + R], "go"),
        (["early", R, "late"], "late"),
        ([R], None),
        ([R + "\n\ngo"], "go"),
        (["go\n\n" + R], "go"),
        ([R + R + "go" + R + R], "go"),
        (["<system-reminder>never closed, go"], None),
        (["<environment_context x='1'>y</environment_context>go"], "go"),
        (["<system-reminderish>x</system-reminderish>"], "<system-reminderish>x</system-reminderish>"),
        (["see <system-reminder>x</system-reminder> here"], "see <system-reminder>x</system-reminder> here"),
        (["</system-reminder>"], "</system-reminder>"),
        (["[structured-output-enforce] x"], None),
        ([" \n[SYSTEM NOTIFICATION - NOT USER INPUT] x"], None),
        ([R + "[SYSTEM NOTIFICATION - NOT USER INPUT] x"], None),
        (["<task>fix</task>"], "fix"),
        (["<task>fix</task> <environment_details>y</environment_details>"], "fix"),
        (["<task>a</task> and <task>b</task>"], "a</task> and <task>b"),
        (["<task></task>"], None),
        (["if a < b and c > d"], "if a < b and c > d"),
    ],
)
def test_what_a_person_typed(parts, typed):
    assert typed_text(parts) == typed


@given(st.lists(st.sampled_from([R, "<task>", "</task>", "go", "\n", "<system-reminder>", "</system-reminder>"])))
def test_any_mixture_is_typed_text_or_none(pieces):
    typed = typed_text(["".join(pieces)])
    assert typed is None or typed.strip()


@pytest.mark.parametrize(
    "text",
    [
        "<system-reminder>" * 500_000,
        "x" + "</system-reminder>" * 500_000,
        "x" + R * 200_000,
        R * 200_000,
        " " * 5_000_000 + "<",
        "<task>" * 500_000,
        "</task>" * 500_000,
        "<system-reminder " + " " * 5_000_000,
    ],
)
def test_no_text_makes_it_slow(text):
    began = time.perf_counter()
    typed_text([text])
    assert time.perf_counter() - began < 2


def purpose(text, *, system=(), offers_tools=False, max_tokens=None):
    return purpose_of(system=list(system), texts=[text], offers_tools=offers_tools, max_tokens=max_tokens)


@pytest.mark.parametrize(("mark", "name"), harness.SYSTEM_MARKS)
def test_a_side_request_is_known_by_its_system_prompt_unless_it_offers_tools(mark, name):
    assert purpose("x", system=["other", "\n" + mark + " …"]) == name
    assert purpose("x", system=[mark], offers_tools=True) is None


@pytest.mark.parametrize(("mark", "name"), harness.TOOLLESS_TEXT_MARKS)
def test_a_side_request_is_known_by_its_text_unless_it_offers_tools(mark, name):
    assert purpose(mark + " …") == name
    assert purpose(mark + " …", offers_tools=True) is None


@pytest.mark.parametrize(("mark", "name"), harness.TEXT_MARKS)
def test_a_side_request_is_known_by_its_text(mark, name):
    assert purpose(mark + " …", offers_tools=True) == name


@pytest.mark.parametrize(("text", "name"), harness.PROBES)
def test_a_probe_asks_for_one_token(text, name):
    assert purpose(text, max_tokens=1) == name
    assert purpose(text, max_tokens=100) is None
    assert purpose(text) is None


def test_a_normal_request_has_no_purpose():
    assert purpose("Please generate a title for this conversation.", system=["You are an agent."]) is None
