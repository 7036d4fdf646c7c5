import contextlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.clients import identify
from aigateway.wire.facts import ApiFormat
from aigateway.wire.request import MalformedBody, read_request

FIXTURES = Path(__file__).parents[1] / "fixtures/requests"
CHAT, RESPONSES, MESSAGES = ApiFormat.CHAT, ApiFormat.RESPONSES, ApiFormat.MESSAGES


def read(api, body):
    return read_request(api, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("*.json")))
def test_a_clients_request_is_understood(name):
    fixture = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    facts = read(ApiFormat(fixture["api"]), fixture["body"])
    client = identify(fixture["headers"], facts)

    assert {
        "client": client.client,
        "session_id": client.session_id,
        "prompt": facts.prompt,
        "correlating_tool_call_id": facts.correlating_tool_call_id,
        "purpose": facts.purpose,
        "sub_agent": client.sub_agent,
        "metadata": client.metadata,
    } == fixture["expected"]


@pytest.mark.parametrize("api", ApiFormat)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"nonsense", "not valid JSON"),
        (b'{"model":"m"', "not valid JSON"),
        (b'{"model":"m"} {}', "not valid JSON"),
        (b'{"messages":"of a wrong shape", and nonsense', "not valid JSON"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"null", "not an object"),
        (b'{"model":"\xff"}', "not valid UTF-8"),
        (b'{"x":"\xed\xa0\x80"}', "not valid UTF-8"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"messages":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", "nested too deep"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_in_plain_words(api, body, words):
    with pytest.raises(MalformedBody, match=words) as caught:
        read_request(api, body)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("api", "model", "recorded"),
    [
        (CHAT, "m", "m"),
        (CHAT, 7, None),
        (MESSAGES, 7, None),
        (RESPONSES, 7, "7"),
        (RESPONSES, 1.5, "1.5"),
        (RESPONSES, True, None),
        (RESPONSES, ["m"], None),
        (CHAT, None, None),
        (CHAT, "", None),
    ],
)
def test_a_model_of_a_wrong_shape_is_the_providers_to_refuse(api, model, recorded):
    assert read(api, {"model": model}).model == recorded


@pytest.mark.parametrize(
    ("value", "loosely", "strictly"),
    [
        (True, True, True),
        (False, False, False),
        (1, True, False),
        (0, False, False),
        ("true", True, False),
        ("yes", False, False),
        (None, False, False),
        ([], False, False),
    ],
)
def test_stream_is_read_loosely_except_by_messages(value, loosely, strictly):
    assert read(CHAT, {"stream": value}).streaming is loosely
    assert read(RESPONSES, {"stream": value}).streaming is loosely
    assert read(RESPONSES, {"background": value}).background is loosely
    assert read(MESSAGES, {"stream": value}).streaming is strictly
    assert read(CHAT, {"background": value}).background is False


def user(content):
    return {"role": "user", "content": content}


@pytest.mark.parametrize("api", [CHAT, MESSAGES])
@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([], None),
        (None, None),
        ("text", None),
        (7, None),
        ({"role": "user", "content": "x"}, None),
        ([user("typed")], "typed"),
        ([user("typed"), {"role": "system", "content": "x"}, {"role": "developer", "content": "x"}], "typed"),
        ([user("typed"), {"role": "assistant", "content": "x"}], None),
        ([user("")], None),
        ([user("  ")], None),
        ([user(None)], None),
        ([user(7)], None),
        ([user({"type": "text", "text": "x"})], None),
        ([user([])], None),
        ([user([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])], "one\ntwo"),
        ([user([{"type": "image"}, {"type": "text", "text": "one"}, {"type": "image_url", "image_url": 7}])], "one"),
        ([user([7, None, "x", {"type": "text", "text": 7}, {"type": "text", "text": "one"}, {"type": 1}])], "one"),
        ([user([{"type": "document", "source": {"data": "x" * 1000}}])], None),
        ([7, user("typed")], "typed"),
        ([user("typed"), 7], None),
        ([{"content": "x"}], None),
        ([{"role": ["user"], "content": "x"}], None),
    ],
)
def test_the_last_user_message_is_the_prompt_and_nothing_of_another_shape(api, messages, prompt):
    assert read(api, {"messages": messages}).prompt == prompt


@pytest.mark.parametrize(
    ("items", "prompt", "answers"),
    [
        ("typed", "typed", None),
        ("", None, None),
        (None, None, None),
        (7, None, None),
        ([], None, None),
        ([user("typed")], "typed", None),
        ([user([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])], "a\nb", None),
        ([user("x"), {"type": "function_call_output", "call_id": "c1", "output": "y"}], None, "c1"),
        ([{"type": "computer_call_output", "call_id": "c1"}, {"role": "developer", "content": "x"}], None, "c1"),
        ([{"type": "local_shell_call_output", "call_id": ""}], None, None),
        (
            [{"type": "function_call_output", "call_id": "c1"}, {"type": "shell_call_output", "call_id": "c2"}],
            None,
            "c2",
        ),
        ([{"type": "function_call_output", "call_id": 7}], None, None),
        ([{"type": "function_call_output", "call_id": "c1"}, user("next")], "next", None),
        ([{"type": "function_call", "call_id": "c1"}], None, None),
    ],
)
def test_responses_input(items, prompt, answers):
    facts = read(RESPONSES, {"input": items})
    assert (facts.prompt, facts.correlating_tool_call_id) == (prompt, answers)


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        ("user_a_account__session_b", "b"),
        ('{"session_id":"b"}', "b"),
        ('{"session_id":""}', None),
        ('{"session_id":7}', None),
        ('{"other":"user_session_x"}', 'x"}'),
        ("plain", None),
        (7, None),
        ("", None),
        (None, None),
    ],
)
def test_the_session_in_the_metadata(user_id, session):
    assert read(MESSAGES, {"metadata": {"user_id": user_id}}).body_session_id == session
    assert read(CHAT, {"metadata": user_id}).body_session_id is None


def test_half_an_emoji_does_not_lose_the_prompt():
    body = rb'{"model":"m","messages":[{"role":"user","content":"see \ud83d, \\ud83d and \ud83d\ude00"}]}'
    facts = read_request(CHAT, body)
    assert facts.prompt == "see \ufffd, \\ud83d and \N{GRINNING FACE}"
    assert facts.model == "m"


def test_a_body_nested_almost_too_deep_loses_facts_at_most():
    for depth in range(600, 1100, 25):
        body = b'{"model":"m","messages":[{"role":"user","content":' + b"[" * depth + b"]" * depth + b"}]}"
        try:
            assert read_request(MESSAGES, body).prompt is None
        except MalformedBody as error:
            assert "nested too deep" in str(error)  # noqa: PT017 - either is right


def test_200_000_messages_are_read():
    body = json.dumps({"model": "m", "messages": [user("x")] * 199_999 + [user("typed")]}).encode()
    assert read_request(CHAT, body).prompt == "typed"


def test_200_000_messages_that_are_all_asides_are_read():
    body = json.dumps({"messages": [user("typed")] + [{"role": "system", "content": "x"}] * 200_000}).encode()
    assert read_request(MESSAGES, body).prompt == "typed"


def test_a_long_conversation_takes_no_time():
    messages = [{"role": "user", "content": [{"type": "text", "text": "x" * 600}]}] * 300
    body = json.dumps({"model": "m", "messages": messages, "tools": [{"name": "t"}]}).encode()

    def took():
        began = time.perf_counter()
        read_request(MESSAGES, body)
        return time.perf_counter() - began

    assert len(body) > 190_000
    assert min(took() for _ in range(50)) < 0.001


FIELDS = [
    *("model", "stream", "messages", "input", "role", "content", "type", "text", "tool_call_id", "call_id", "metadata"),
    *("user_id", "system", "tools", "instructions", "max_tokens", "prompt_cache_key", "tool_use_id", "client_metadata"),
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["user", "text"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=25,
)


@pytest.mark.parametrize("api", ApiFormat)
@given(body=st.dictionaries(st.sampled_from(FIELDS), values))
def test_an_object_of_any_shape_gives_facts(api, body):
    try:
        facts = read_request(api, json.dumps(body).encode())
    except MalformedBody:
        # Python writes NaN and Infinity, which are no JSON.
        json_text = json.dumps(body)
        assert "NaN" in json_text or "Infinity" in json_text
    else:
        assert facts.prompt is None or facts.prompt.strip()


@pytest.mark.parametrize("api", ApiFormat)
@given(body=st.binary(max_size=60))
def test_any_bytes_give_facts_or_are_refused(api, body):
    with contextlib.suppress(MalformedBody):
        read_request(api, body)


@pytest.mark.parametrize("api", ApiFormat)
@given(body=st.dictionaries(st.sampled_from(FIELDS), values))
def test_what_is_read_field_by_field_says_the_same_as_what_is_read_at_once(api, body):
    body.pop("prompt_cache_key", None)
    at_once, by_fields = json.dumps(body).encode(), json.dumps(body | {"prompt_cache_key": {}}).encode()
    with contextlib.suppress(MalformedBody):
        assert read_request(api, by_fields) == read_request(api, at_once)
