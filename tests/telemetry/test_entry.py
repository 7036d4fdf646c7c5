import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.telemetry.entry import Entry

MOMENT = 1_780_000_000_123_456_789
ANYTHING = st.recursive(
    st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def entry(message="interception log", level="INFO", **fields):
    return Entry(MOMENT, level, message, "audit/recorder.py:42", "Recorder.start", ("audit", "recorder"), fields)


def test_the_json_form():
    line = entry(record_type="prompt_usage", prompt="hello", injected=False, n=7).as_json()
    assert line == (
        b'{"ts":"2026-05-28T20:26:40.123456789Z","level":"INFO","msg":"interception log",'
        b'"caller":"audit/recorder.py:42","func":"Recorder.start","logger_names":["audit","recorder"],'
        b'"fields":{"record_type":"prompt_usage","prompt":"hello","injected":false,"n":7}}\n'
    )


def test_the_human_form():
    line = entry(record_type="prompt_usage", prompt="hello you", empty="", n=7, on=True, none=None).as_human()
    assert line == (
        b"2026-05-28 20:26:40.123 [info]  audit.recorder: interception log  "
        b'record_type=prompt_usage prompt="hello you" empty="" n=7 on=true none=null\n'
    )


def test_without_fields_nothing_follows_the_message():
    assert entry().as_human().endswith(b": interception log\n")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", "[debug] "),
        ("INFO", "[info]  "),
        ("WARN", "[warn]  "),
        ("ERROR", "[error] "),
        ("CRITICAL", "[crit]  "),
    ],
)
def test_levels_line_up(level, shown):
    assert entry(level=level).as_human().decode()[24:].startswith(f"{shown}audit")


def test_colour_is_only_around_the_level():
    assert b" \x1b[34m[info] \x1b[0m audit.recorder: " in entry().as_human(colour=True)
    assert b"\x1b" not in entry().as_human()


def test_values_of_several_lines_follow_below():
    assert entry(prompt="one\r\ntwo\n", id="x").as_human().decode().split("\n")[0:] == [
        "2026-05-28 20:26:40.123 [info]  audit.recorder: interception log  id=x",
        "  prompt:",
        "   | one",
        "   | two",
        "   | ",
        "",
    ]


def test_values_of_other_types_are_written_as_people_read_them():
    fields = {
        "id": UUID(int=1),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "path": PurePosixPath("/a"),
        "metadata": {"a": [1]},
        "pause": timedelta(seconds=1),
    }
    shown = entry(**fields).as_human().decode()
    assert "id=00000000-0000-0000-0000-000000000001" in shown
    assert "at=2026-01-02T00:00:00+00:00 path=/a" in shown
    assert r'metadata="{\"a\":[1]}"' in shown
    assert json.loads(entry(**fields).as_json())["fields"]["metadata"] == {"a": [1]}


FORGED = "2026-05-28 20:26:40.123 [info]  audit: forged"


@pytest.mark.parametrize(
    "hostile",
    [
        f"x\n{FORGED}",
        f"x\r{FORGED}",
        f"x\r\n{FORGED}",
        f"x\x0b{FORGED}",
        f"x\x85{FORGED}",
        f"x\u2028{FORGED}",
        f"\x1b[2J\x1b[H{FORGED}",
        f"\x9b2J{FORGED}",
        f"\u202e{FORGED}",
        f'x" {FORGED}',
        f"x\x00{FORGED}",
        f"\x08\x08{FORGED}",
        f"x\ud800\n{FORGED}",
    ],
)
@pytest.mark.parametrize("place", ["value", "message", "key"])
def test_hostile_text_forges_no_entry(hostile, place):
    written = {"value": entry(prompt=hostile), "message": entry(hostile), "key": entry(**{hostile: 1})}[place]
    lines = written.as_human().decode().removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if re.match(r"\d{4}-", line)] == lines[:1]
    assert len(written.as_json().splitlines()) == 1
    assert json.loads(written.as_json())["level"] == "INFO"


def test_a_quoted_value_cannot_end_its_quotes():
    assert entry(a='x" b=1').as_human().endswith(rb'a="x\" b=1"' + b"\n")
    assert entry(a="x\\").as_human().endswith(b"a=x\\\n")
    assert entry(a="x \\").as_human().endswith(rb'a="x \\"' + b"\n")


def test_a_prompt_of_a_megabyte_stays_one_line():
    line = entry(prompt="a\n" * 500_000).as_json()
    assert line.count(b"\n") == 1
    assert json.loads(line)["fields"]["prompt"] == "a\n" * 500_000


def test_lone_surrogates_stay_valid_utf_8():
    assert json.loads(entry(prompt="a\ud800b").as_json().decode("utf-8"))["fields"]["prompt"] == "a\\ud800b"


@given(message=st.text(), fields=st.dictionaries(st.text(), ANYTHING))
def test_whatever_is_logged_is_one_entry_in_both_forms(message, fields):
    written = entry(message, **{f"_{key}": value for key, value in fields.items()})
    assert json.loads(written.as_json().decode("utf-8"))["logger_names"] == ["audit", "recorder"]
    assert written.as_json().count(b"\n") == 1
    first, *below = written.as_human().decode("utf-8").removesuffix("\n").split("\n")
    assert first.startswith("2026-05-28 20:26:40.123 [info]  audit.recorder: ")
    assert all(line.startswith("  ") and line.isprintable() for line in below)
