"""What a server lists, and what of it is offered."""

from __future__ import annotations

import re

import pytest

from aigateway.settings.tools import ToolServerSettings
from aigateway.tools.choosing import MOST_OFFERED, Choice, Listed, choose, collisions, together

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def server(name="docs", **patterns):
    return ToolServerSettings(
        name=name, url=f"https://{name}.example.com/mcp", **{key: re.compile(text) for key, text in patterns.items()}
    )


def listed(*names, schema=OBJECT, description="Does it."):
    return [Listed(name, description, schema) for name in names]


def offered(choice):
    return [tool.tool for tool in choice.tools]


def test_a_tool_is_offered_as_its_server_describes_it():
    [tool] = choose(server(), listed("search")).tools
    assert (tool.name, tool.server, tool.tool) == ("bmcp_docs_search", "docs", "search")
    assert tool.server_url == "https://docs.example.com/mcp"
    assert (tool.description, tool.input_schema) == ("Does it.", OBJECT)


@pytest.mark.parametrize(
    ("patterns", "tools"),
    [
        ({}, ["delete_issue", "get_issue", "list_issues"]),
        ({"allow": "issue$"}, ["delete_issue", "get_issue"]),
        ({"deny": "delete"}, ["get_issue", "list_issues"]),
        ({"allow": "issue", "deny": "^delete_"}, ["get_issue", "list_issues"]),
        ({"allow": "ISSUE"}, []),
        ({"allow": "bmcp"}, []),
    ],
)
def test_deny_comes_before_allow_and_both_search_the_plain_name(patterns, tools):
    names = ("list_issues", "get_issue", "delete_issue")
    assert offered(choose(server(**patterns), listed(*names))) == tools


def test_what_is_left_out_says_why():
    choice = choose(server(allow="issue", deny="^delete_"), listed("delete_issue", "get_me"))
    assert [(each.tool, each.reason) for each in choice.left_out] == [
        ("delete_issue", "is denied by the server's TOOL_DENY_REGEX (it is allowed as well; deny wins)"),
        ("get_me", "is not found by the server's TOOL_ALLOW_REGEX"),
    ]


LOOP = {"type": "object"}
LOOP["properties"] = {"a": LOOP}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "string"}, "is not of the type object"),
        ({}, "is not of the type object"),
        ({"type": ["object", "null"]}, "is not of the type object"),
        ({"type": "object", "properties": []}, "properties are no schemas"),
        ({"type": "object", "properties": {"a": "string"}}, "properties are no schemas"),
        ({"type": "object", "required": "a"}, "no list of names"),
        ({"type": "object", "required": [1]}, "no list of names"),
        ({"type": "object", "oneOf": [{}]}, "which providers refuse"),
        ({"type": "object", "properties": {"a": {"description": "x" * 70_000}}}, "larger than 65536 bytes"),
        (LOOP, "cannot be written as JSON"),
    ],
)
def test_a_server_that_lies_about_schemas_loses_those_tools_and_no_others(schema, reason):
    choice = choose(server(), [*listed("bad", schema=schema), *listed("good")])
    assert offered(choice) == ["good"]
    [left] = choice.left_out
    assert left.tool == "bad"
    assert reason in left.reason


@pytest.mark.parametrize("name", ["", "x" * 129])
def test_a_tool_without_a_sensible_name_is_left_out(name):
    choice = choose(server(), listed(name))
    assert choice.tools == ()
    assert "has no name of 1 to 128 characters" in choice.left_out[0].reason


def test_a_tool_that_is_listed_twice_is_offered_once():
    choice = choose(server(), listed("a", "a"))
    assert offered(choice) == ["a"]
    assert choice.left_out[0].reason == "is listed twice"


def test_a_long_description_is_cut_to_what_every_provider_takes():
    [tool] = choose(server(), listed("a", description="x" * 5000)).tools
    assert len(tool.description) == 1024
    assert tool.description.endswith("x…")


def test_the_order_is_the_same_whatever_order_servers_answer_in():
    one, two = choose(server("one"), listed("b", "a")), choose(server("two"), listed("c"))
    assert together([one, two]) == together([two, one])
    assert [tool.name for tool in together([two, one]).tools] == ["bmcp_one_a", "bmcp_one_b", "bmcp_two_c"]


def test_tools_whose_names_run_into_one_are_told_apart_every_time():
    one, two = choose(server("a"), listed("b_c")), choose(server("a_b"), listed("c"))
    found = together([one, two])
    assert found == together([two, one])
    assert [tool.server for tool in found.tools if tool.name == "bmcp_a_b_c"] == ["a"]
    [other] = collisions([one, two])
    assert other.server == "a_b"
    assert re.fullmatch(r"bmcp_a_b_c_[0-9a-f]{8}", other.name)


def test_what_does_not_fit_in_a_request_is_left_out_and_named():
    found = together([choose(server(), listed(*(f"t{number:03}" for number in range(MOST_OFFERED + 2))))])
    assert len(found.tools) == MOST_OFFERED
    assert [each.tool for each in found.left_out] == ["t128", "t129"]
    assert "beyond the 128" in found.left_out[0].reason


def test_nothing_of_nothing():
    assert together([]) == Choice()
