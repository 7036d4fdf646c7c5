from __future__ import annotations

import pytest

from aigateway.tools.offer import OfferedTool, Text, ToolResult

OBJECT = {"type": "object", "properties": {}}


@pytest.mark.parametrize("name", ["bmcp_wiki_search", "bmcp_w-1_" + "x" * 55])
def test_a_tool_has_a_name_that_every_provider_takes(name):
    assert OfferedTool(name, "wiki", "https://wiki.example/mcp", "search", "", OBJECT).name == name


@pytest.mark.parametrize("name", ["search", "bmcp_", "bmcp_wiki_näh", "bmcp_wiki.search", "bmcp_" + "x" * 60])
def test_no_tool_has_a_name_that_a_provider_refuses(name):
    with pytest.raises(ValueError, match="name"):
        OfferedTool(name, "wiki", "https://wiki.example/mcp", "search", "", OBJECT)


def test_the_input_of_a_tool_is_an_object():
    with pytest.raises(ValueError, match="object"):
        OfferedTool("bmcp_wiki_search", "wiki", "https://wiki.example/mcp", "search", "", {"type": "string"})


def test_a_call_has_an_answer_or_a_reason_why_not():
    assert ToolResult((Text("a"),), raw="{}").failure is None
    assert ToolResult(failure="The server is away.").raw == ""
    with pytest.raises(ValueError, match="either"):
        ToolResult(raw="{}", failure="The server is away.")
    with pytest.raises(ValueError, match="either"):
        ToolResult()
