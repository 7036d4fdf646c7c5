from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.audit.dumps.masking import FIELDS, REQUEST_HEADERS, Masker, mask_header, mask_parameter, secrets_of

KEYS = [
    "sk-proj-" + "a1B2" * 8,
    "sk-ant-api03-" + "a1B2" * 8,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 9,
    "glpat-" + "a1B2" * 6,
    "xoxb-" + "a1B2" * 6,
    "AKIA" + "A1B2" * 4,
    "AIza" + "a1B2c" * 7,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "Bearer " + "a1B2" * 8,
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n-----END EC PRIVATE KEY-----",
]


def masked(value):
    return json.loads(Masker().whole(json.dumps(value).encode()))


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_called_like_a_secret_is_masked(name):
    assert masked({name: "hunter2", "n": 1}) == {name: "*******", "n": 1}
    assert masked({name.upper().replace("_", "-"): "x"}) == {name.upper().replace("_", "-"): "*"}
    assert masked({f"DB_{name.upper()}": "x"}) == {f"DB_{name.upper()}": "*"}
    assert masked({name.replace("_", ""): "x"}) == {name.replace("_", ""): "*"}


@pytest.mark.parametrize(
    "value",
    [
        {"max_tokens": 99, "prompt_tokens": 1},
        {"properties": {"password": {"type": "string"}}, "required": ["password"]},
        {"logprobs": {"content": [{"token": "Hello", "logprob": -0.1, "bytes": [72]}]}},
        {"secret": None, "token": 5, "password": ["a"], "api_key": ""},
        {"text": "ask-me-1234567890123456789, task-550e8400-e29b-41d4-a716"},
        {"text": "sk-learn-is-a-package-of-python"},
        {"tokenizer": "x", "secretary": "y"},
    ],
)
def test_what_is_no_secret_stays(value):
    assert masked(value) == value


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "key: {}", "line\n{}\nline", '"{}"', "({})", 'export KEY="{}";', "x={}&y"])
def test_a_text_that_is_a_key_is_masked_wherever_it_stands(key, around):
    body = json.dumps({"a": around.format(key), "b": [1.50]}).encode()
    out = Masker().whole(body)
    assert len(out) == len(body)
    assert json.dumps(key)[8:-9].encode() not in out
    assert json.loads(out)["b"] == [1.5]


def test_a_key_with_an_escaped_sign_before_it_is_masked():
    out = Masker().whole(rb'{"a": "\u0022sk-proj-abc123def456ghi789\u0022"}')
    assert b"abc123def456" not in out


@given(st.dictionaries(st.sampled_from([*FIELDS, "a", "input"]), st.text(), max_size=4), st.integers(0, 2))
def test_secrets_in_json_in_json_are_masked_and_all_of_it_stays_json(fields, depth):
    value = fields
    if depth:
        value = {"arguments": json.dumps(fields, ensure_ascii=depth == 1)}
    body = json.dumps(value).encode()
    out = Masker().whole(body)
    assert len(out) == len(body)
    shown = json.loads(out)
    if depth:
        shown = json.loads(shown["arguments"])
    assert shown.keys() == fields.keys()
    for name, text in shown.items():
        assert (name in FIELDS and set(text) <= {"*"}) or (name not in FIELDS and text == fields[name])


@given(st.lists(st.sampled_from([*KEYS[:5], "plain, text", '{"password": "pw0000"}', "\n", "data: "])), st.data())
def test_cutting_changes_nothing(parts, data):
    body = "".join(f"{part}\n" for part in parts).encode()
    masker, out, at = Masker(), b"", 0
    while at < len(body):
        step = data.draw(st.integers(1, 40))
        out += masker.feed(body[at : at + step])
        at += step
    assert out + masker.end() == Masker().whole(body)


def test_a_line_that_does_not_end_is_given_in_parts():
    masker = Masker()
    piece = b'{"api_key": "0123456789", "text": "' + b"x" * 1000 + b'"}, '
    given_out = b""
    for _ in range(400):
        given_out += masker.feed(piece)
    assert len(given_out) > 100_000
    whole = given_out + masker.end()
    assert b"0123456789" not in whole
    assert len(whole) == 400 * len(piece)


def test_secrets_that_the_request_carried_are_masked_by_value():
    headers = [
        ("Authorization", "Bearer 0123456789abcdef0123456789abcdef"),
        ("X-Api-Key", "short"),
        ("Accept", "long-enough"),
    ]
    known = secrets_of(headers)
    assert known == (b"0123456789abcdef0123456789abcdef",)
    out = Masker(known).whole(b'{"message": "Incorrect key 0123456789abcdef0123456789abcdef, long-enough"}')
    assert out == b'{"message": "Incorrect key 0123************************cdef, long-enough"}'


def test_headers_and_parameters():
    assert mask_header("Authorization", "Bearer sk-1234567890-abcd1234", REQUEST_HEADERS) == "Bear...1234"
    assert mask_header("Accept", "text/event-stream-and-more", REQUEST_HEADERS) == "text/event-stream-and-more"
    assert mask_parameter("key", "AIzaSomething1234567890") == "AIza...7890"
    assert mask_parameter("api-version", "2024-10-21-preview-long") == "2024-10-21-preview-long"
