"""More tools in a request: where they stand, and when there are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.tools import NotOffered, ToolDefinition, with_tools

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
TOOLS = [ToolDefinition(f"bmcp_wiki_{name}", f"{name} “it”", SCHEMA) for name in ("read", "search")]
READ = {"name": "bmcp_wiki_read", "description": "read “it”"}
SHAPES = {
    ApiFormat.CHAT: {"type": "function", "function": {**READ, "strict": False, "parameters": SCHEMA}},
    ApiFormat.RESPONSES: {"type": "function", **READ, "strict": False, "parameters": SCHEMA},
    ApiFormat.MESSAGES: {**READ, "type": "custom", "input_schema": SCHEMA},
}
OWN = {
    ApiFormat.CHAT: b'{"type" :"function", "function":{"name":"Bash"}}',
    ApiFormat.RESPONSES: b'{"type" :"function", "name":"Bash"}',
    ApiFormat.MESSAGES: b'{"name":"Bash", "input_schema":{},"cache_control":{"type":"ephemeral"}}',
}
EVERY = list(ApiFormat)


@pytest.mark.parametrize("api", EVERY)
def test_tools_are_spliced_in_and_nothing_else_changes(api):
    body = b'{ "model":"sim", "max_tokens":1.0, "tools" : [ %s ] ,"x":"h\\u00e9" }' % OWN[api]
    made = with_tools(api, body, TOOLS)
    start, end = made.body.index(b'"tools" : [') + 11, made.body.index(b'] ,"x"')
    inside = made.body[start:end]
    assert made.body[:start] + made.body[end:] == b'{ "model":"sim", "max_tokens":1.0, "tools" : [] ,"x":"h\\u00e9" }'
    ours = inside.replace(b" " + OWN[api] + b" ", b"").strip(b",")
    assert json.loads(b"[" + ours + b"]")[0] == SHAPES[api]
    assert inside == (ours + b", " + OWN[api] + b" " if api is ApiFormat.MESSAGES else b" " + OWN[api] + b" ," + ours)
    assert made.names == {"bmcp_wiki_read", "bmcp_wiki_search"}
    assert made.left_out == ()
    assert with_tools(api, body, TOOLS).body == made.body


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("own", [b"", b',"tools":null', b',"tools":[]', b',"tools":[ ]'])
def test_a_request_without_tools_gets_some(api, own):
    made = with_tools(api, b'{"model":"sim"%s}' % own, TOOLS)
    assert json.loads(made.body)["tools"][0] == SHAPES[api]
    assert len(json.loads(made.body)["tools"]) == 2


@pytest.mark.parametrize("api", EVERY)
def test_a_tool_of_the_clients_wins(api):
    own = OWN[api].replace(b"Bash", b"bmcp_wiki_read")
    made = with_tools(api, b'{"tools":[%s]}' % own, TOOLS)
    assert (made.names, made.left_out) == ({"bmcp_wiki_search"}, ("bmcp_wiki_read",))
    assert own in made.body
    assert made.body.count(b"bmcp_wiki_read") == 1


@pytest.mark.parametrize("api", EVERY)
def test_what_does_not_fit_is_left_out(api):
    own = b",".join(OWN[api].replace(b"Bash", b"Bash%d" % number) for number in range(127))
    made = with_tools(api, b'{"tools":[%s]}' % own, TOOLS)
    if api is ApiFormat.MESSAGES:
        assert len(made.names) == 2
        return
    assert len(json.loads(made.body)["tools"]) == 128
    assert (made.names, made.left_out) == ({"bmcp_wiki_read"}, ("bmcp_wiki_search",))
    with pytest.raises(NotOffered, match="may have 128"):
        with_tools(api, b'{"tools":[%s,%s]}' % (own, OWN[api]), TOOLS)


CHOICES = {
    ApiFormat.CHAT: [
        b'"none"',
        b'{"type":"function","function":{"name":"Bash"}}',
        b'{"type":"allowed_tools","allowed_tools":{}}',
    ],
    ApiFormat.RESPONSES: [b'"none"', b'{"type":"function","name":"Bash"}', b'{"type":"web_search"}'],
    ApiFormat.MESSAGES: [b'{"type":"none"}', b'{"type":"tool","name":"Bash"}'],
}


@pytest.mark.parametrize(("api", "choice"), [(api, choice) for api, every in CHOICES.items() for choice in every])
def test_no_tool_is_offered_that_could_not_be_called(api, choice):
    with pytest.raises(NotOffered) as why:
        with_tools(api, b'{"tools":[%s],"tool_choice":%s}' % (OWN[api], choice), TOOLS)
    assert why.value.expected


@pytest.mark.parametrize("api", EVERY)
def test_a_free_choice_stays_free(api):
    for choice in (b'"auto"', b"null", b'{"type":"auto","disable_parallel_tool_use":true}', b'{"type":"any"}'):
        body = b'{"tools":[%s],"tool_choice":%s}' % (OWN[api], choice)
        assert choice in with_tools(api, body, TOOLS).body
    demanding = b'{"type":"any"}' if api is ApiFormat.MESSAGES else b'"required"'
    with pytest.raises(NotOffered, match="has no tools"):
        with_tools(api, b'{"tool_choice":%s}' % demanding, TOOLS)


@pytest.mark.parametrize("api", EVERY)
@pytest.mark.parametrize("body", [b'{"tools":{}}', b'{"tools":"x"}', b"[]", b"{", b'{"tools":[],"tools":[]}'])
def test_what_cannot_be_spliced_is_said(api, body):
    with pytest.raises(NotOffered) as why:
        with_tools(api, body, TOOLS)
    assert not why.value.expected


@pytest.mark.parametrize("more", [b'"n":2', b'"functions":[{"name":"x"}]'])
def test_chat_requests_that_tools_do_not_go_with(more):
    with pytest.raises(NotOffered):
        with_tools(ApiFormat.CHAT, b'{"model":"sim",%s}' % more, TOOLS)
    assert with_tools(ApiFormat.CHAT, b'{"n":1,"functions":[]}', TOOLS).names


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "auto", "none", "any", "name", "Bash"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type"]), inner),
    max_leaves=5,
)


@settings(max_examples=60)
@given(api=st.sampled_from(EVERY), body=st.dictionaries(st.sampled_from(["tools", "tool_choice", "n", "x"]), JSON))
def test_any_request_gets_tools_or_a_reason_and_keeps_all_else(api, body):
    try:
        made = with_tools(api, json.dumps(body).encode(), TOOLS)
    except NotOffered:
        return
    after = json.loads(made.body)
    assert {key: value for key, value in after.items() if key != "tools"} == {
        key: value for key, value in body.items() if key != "tools"
    }
    own = body.get("tools") or []
    assert (after["tools"][len(made.names) :] if api is ApiFormat.MESSAGES else after["tools"][: len(own)]) == own
