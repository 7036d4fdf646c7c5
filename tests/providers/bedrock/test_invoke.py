"""What InvokeModel is sent of a Messages request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.providers.bedrock.invoke import flags, invocation
from aigateway.settings.bedrock_models import ModelRules, shipped_models
from aigateway.wire.splice import JsonObject, Unspliceable

RULES = ModelRules(
    betas={"good": True, "bad": False, "old": "new"},
    fields={"metadata": False, "effort": "good", "output_config.effort": "new", "kept": True},
    adaptive_thinking=False,
    count_tokens=None,
)
SONNET_45 = shipped_models().rules("global.anthropic.claude-sonnet-4-5-20250929-v1:0")
OPUS_45 = shipped_models().rules("us.anthropic.claude-opus-4-5-20251101-v1:0")
OPUS_46 = shipped_models().rules("us.anthropic.claude-opus-4-6-v1")


def made(body, betas=(), rules=RULES):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    done = invocation(JsonObject(text), betas, rules)
    return json.loads(done.body), done.removed


def test_the_whole_change_to_the_byte():
    text = (
        b'{ "model" : "claude", "max_tokens":1.00e2,\n  "messages":[{"role":"user","content":"\\u00e9\\/ \xc3\xa9"}],'
        b'"stream":true , "metadata":{"user_id":"u"}, "temperature":0.10 }\n'
    )
    done = invocation(JsonObject(text), ["good", "unknown"], RULES)
    assert done.body == (
        b'{"max_tokens":1.00e2,\n  "messages":[{"role":"user","content":"\\u00e9\\/ \xc3\xa9"}], "temperature":0.10,'
        b'"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["good"] }\n'
    )
    assert done.removed == ("beta unknown", "field metadata")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3),
)
KEYS = st.sampled_from(
    ["model", "stream", "messages", "metadata", "effort", "output_config", "kept", "anthropic_beta", "thinking"]
)
FLAGS = st.lists(st.sampled_from(["good", "bad", "old", "new", "other"]), max_size=5)


@given(st.dictionaries(KEYS, VALUES | st.just({"effort": 1, "y": 2}) | FLAGS), FLAGS)
def test_says_what_it_should(body, header_betas):
    given_betas = body.get("anthropic_beta")
    listed = [flag for flag in given_betas if isinstance(flag, str)] if isinstance(given_betas, list) else []
    asked = list(dict.fromkeys([*header_betas, *listed]))
    accepted = list(dict.fromkeys({"good": "good", "old": "new"}[flag] for flag in asked if flag in {"good", "old"}))
    expected = {
        key: value for key, value in body.items() if key not in {"model", "stream", "metadata", "anthropic_beta"}
    }
    if "good" not in accepted:
        expected.pop("effort", None)
    config = expected.get("output_config")
    if isinstance(config, dict) and "effort" in config and "new" not in accepted:
        expected["output_config"] = {key: value for key, value in config.items() if key != "effort"}
        if not expected["output_config"]:
            del expected["output_config"]
    expected["anthropic_version"] = "bedrock-2023-05-31"
    if accepted:
        expected["anthropic_beta"] = accepted
    assert made(body, header_betas)[0] == expected


@given(st.dictionaries(TEXTS, VALUES))
def test_the_messages_are_never_touched(messages):
    inner = json.dumps(messages, indent=3, ensure_ascii=False).encode()
    body = b'{"model":"m","messages":%s,"stream":false}' % inner
    assert b'"messages":' + inner in invocation(JsonObject(body), ["good"], RULES).body


@pytest.mark.parametrize(
    ("effort", "limit", "budget"),
    [
        (None, 10_000, 8000),
        ("low", 10_000, 2000),
        ("medium", 9_999, 4999),
        ("high", 2_000, 1600),
        ("max", 32_000, 30_400),
        ("unheard-of", 10_000, 8000),
        (7, 10_000, 8000),
        ("low", 5_120, 1024),
    ],
)
def test_adaptive_thinking_as_a_budget(effort, limit, budget):
    body = {"thinking": {"type": "adaptive", "display": "summarized"}, "max_tokens": limit}
    if effort is not None:
        body["output_config"] = {"effort": effort}
    sent, removed = made(body, (), SONNET_45)
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "output_config" not in sent
    assert removed == (("field output_config.effort",) if effort is not None else ())


def test_a_budget_that_is_too_small_is_no_thinking():
    assert made({"thinking": {"type": "adaptive"}, "max_tokens": 1000}, (), SONNET_45)[0]["thinking"] == {
        "type": "disabled"
    }


@pytest.mark.parametrize("limit", [None, 0, -5, "many", True, 1.5])
def test_without_a_limit_the_provider_says_what_is_wrong_and_the_rest_is_done(limit):
    sent, removed = made({"thinking": {"type": "adaptive"}, "max_tokens": limit, "metadata": {}}, (), SONNET_45)
    assert (sent["thinking"], removed) == ({"type": "adaptive"}, ("field metadata",))


@pytest.mark.parametrize(
    "thinking", [{"type": "enabled", "budget_tokens": 2000}, {"type": "disabled"}, "adaptive", None]
)
def test_other_thinking_stays(thinking):
    assert made({"thinking": thinking, "max_tokens": 4000}, (), SONNET_45)[0]["thinking"] == thinking


def test_models_that_know_adaptive_thinking_and_effort_get_them():
    body = {"thinking": {"type": "adaptive"}, "max_tokens": 4000, "output_config": {"effort": "low"}}
    assert made(body, (), OPUS_46) == (body | {"anthropic_version": "bedrock-2023-05-31"}, ())


def test_effort_goes_with_its_flag_to_the_model_that_has_it():
    body = {"output_config": {"effort": "low", "format": {"type": "json_schema"}}}
    assert made(body, ["effort-2025-11-24"], OPUS_45)[0]["output_config"] == body["output_config"]
    sent, removed = made(body, ["effort-2025-11-24"], SONNET_45)
    assert sent["output_config"] == {"format": {"type": "json_schema"}}
    assert removed == ("beta effort-2025-11-24", "field output_config.effort")


def test_a_version_of_the_clients_own_stays():
    assert made({"anthropic_version": "bedrock-2029-01-01"})[0] == {"anthropic_version": "bedrock-2029-01-01"}


def test_an_inner_key_that_is_there_twice_is_refused():
    with pytest.raises(Unspliceable):
        made(b'{"output_config":{"effort":1,"effort":2}}')


@pytest.mark.parametrize(("header", "read"), [("", []), (" a ,b,, c ", ["a", "b", "c"]), (",", [])])
def test_flags_of_a_header(header, read):
    assert flags(header) == read
