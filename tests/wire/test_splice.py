"""What is spliced says what it should, and nothing else changed by a byte."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.splice import JsonObject, Unspliceable

KEYS = st.sampled_from(["model", "stream", "a", "b", "ä", 'q"uo\\te', "", "}{"])
NUMBERS = st.sampled_from(["1", "-0", "1.0", "1e400", "123456789012345678901234567890", "0.1000"])
SPACE = st.sampled_from(["", " ", "\n  ", "\t", "\r\n"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    TEXTS | st.booleans() | st.none(), lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3)
)
VALUES = NUMBERS | JSON.map(json.dumps)


@st.composite
def objects(draw):
    """The text of an object, and each member's own text by key."""
    members = draw(st.dictionaries(KEYS, VALUES, max_size=6))
    parts = {}
    for key, value in members.items():
        quoted = json.dumps(key, ensure_ascii=draw(st.booleans()))
        parts[key] = f"{quoted}{draw(SPACE)}:{draw(SPACE)}{value}"
    inner = ""
    for number, part in enumerate(parts.values()):
        inner += (f"{draw(SPACE)},{draw(SPACE)}" if number else "") + part
    text = f"{draw(SPACE)}{{{draw(SPACE)}{inner}{draw(SPACE)}}}{draw(SPACE)}"
    return text, parts, members


def load(text):
    return json.loads(text, parse_float=str, parse_int=str)


@given(objects(), st.sets(KEYS), st.dictionaries(KEYS, VALUES, max_size=3))
def test_says_what_it_should_and_keeps_the_rest_to_the_byte(made, remove, put):
    text, parts, members = made
    spliced = JsonObject(text.encode()).splice(
        remove=remove, put={k: v.encode() for k, v in put.items() if k not in remove}
    )
    expected = {key: load(value) for key, value in members.items() if key not in remove}
    added = {key: load(value) for key, value in put.items() if key not in remove}
    assert load(spliced) == expected | added
    assert list(load(spliced)) == [*expected, *(key for key in added if key not in expected)]
    at = 0
    for key, part in parts.items():
        if key not in remove and key not in put:
            at = spliced.index(part.encode(), at) + len(part.encode())


@given(objects())
def test_nothing_to_do_changes_nothing(made):
    text = made[0].encode()
    assert JsonObject(text).splice() == text
    assert JsonObject(text).splice(remove={"nobody"}, put={}) == text


@given(objects(), KEYS, VALUES)
def test_a_replaced_value_changes_nothing_around_it(made, key, value):
    text, parts, members = made
    if key in members:
        spliced = JsonObject(text.encode()).splice(put={key: value.encode()}).decode()
        part = parts[key]
        assert spliced == text.replace(part, part[: len(part) - len(members[key])] + value, 1)


@given(objects(), KEYS, VALUES, st.integers(0, 6))
def test_a_key_that_is_there_twice_is_refused(made, key, value, position):
    _text, parts, members = made
    if key not in members:
        return
    again = [*parts.values()]
    again.insert(position, f"{json.dumps(key)}:{value}")
    with pytest.raises(Unspliceable):
        JsonObject(("{" + ",".join(again) + "}").encode())


TRICKS = [
    rb'{"model":"aa\",\"x\":\"","model":"aa"}',
    rb'{"model":12,"model":1}',
    rb'{"model":"a","x":{"model":"b"},"model":"c"}',
    rb'{"mod\u0065l":"a","model":"b"}',
    rb'{"model":"a","model":"a"}',
    rb'{"model":[1],"x":1,"model":[1]}',
    rb'{"a":"b","a":"b","c":1}',
]


@pytest.mark.parametrize("text", TRICKS)
def test_no_trick_hides_the_second_of_two(text):
    with pytest.raises(Unspliceable, match="a key is there twice"):
        JsonObject(text)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"1", b"{", b'{"a"}', b'{"a":1,}', b"nonsense", b'{"a":1}x', b"\xff\xfe{\x00}"]
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(Unspliceable, match="not a JSON object"):
        JsonObject(text)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nonsense_raises_nothing_else(text):
    with contextlib.suppress(Unspliceable):
        JsonObject(text)


def test_values_can_be_asked_for():
    body = JsonObject(b'{"a": {"b":1} , "n":10.50,"null":null}')
    assert ("a" in body, "b" in body) == (True, False)
    assert (body.raw("n"), body.raw("x"), body.value("a"), body.value("x")) == (b"10.50", None, {"b": 1}, None)


def test_hundreds_of_members_are_no_trouble():
    text = ("{" + ",".join(f'"k{n}":{n}' for n in range(5000)) + "}").encode()
    assert re.fullmatch(rb'\{"k0":0\}', JsonObject(text).splice(remove={f"k{n}" for n in range(1, 5000)}))
