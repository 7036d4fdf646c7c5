import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.wire.clients import identify
from aigateway.wire.facts import RequestFacts

NOTHING = RequestFacts(model="m", streaming=False, prompt=None)


def facts(**known):
    return RequestFacts(model="m", streaming=False, prompt=None, **known)


@pytest.mark.parametrize(
    ("headers", "client", "session"),
    [
        ({"user-agent": "mux/1.0", "x-mux-workspace-id": "a"}, "Mux", "a"),
        ({"user-agent": "xum/1.0", "x-mux-workspace-id": "a"}, "Xum", "a"),
        ({"user-agent": "Claude-CLI/2.0", "x-claude-code-session-id": " a "}, "Claude Code", "a"),
        ({"user-agent": "claude-code/2.0"}, "Claude Code", None),
        ({"user-agent": "codex_vscode/1", "session_id": "a"}, "Codex", "a"),
        ({"user-agent": "codex_vscode/1", "session-id": "b", "session_id": "a"}, "Codex", "b"),
        ({"user-agent": "Zed/1.2"}, "Zed", None),
        (
            {"user-agent": "GitHubCopilotChat/0.1", "x-interaction-id": "a", "vscode-sessionid": "b"},
            "GitHub Copilot (VS Code)",
            "a",
        ),
        ({"user-agent": "copilot/1.0", "x-client-session-id": "a"}, "GitHub Copilot (CLI)", "a"),
        ({"user-agent": "OpenAI/JS 5.20.1", "x-initiator": "agent"}, "GitHub Copilot (CLI)", None),
        ({"user-agent": "Kilo-Code/4.1", "x-kilocode-taskid": "a", "x-session-id": "b"}, "Kilo Code", "a"),
        ({"originator": "kilo-code", "x-session-id": "title-b"}, "Kilo Code", "b"),
        ({"user-agent": "Roo-Code/3"}, "Roo Code", None),
        ({"originator": "roo-code"}, "Roo Code", None),
        ({"user-agent": "coder-agents/1", "x-coder-chat-id": "a"}, "Coder Agents", "a"),
        ({"user-agent": "Charm Crush/0.1"}, "Charm Crush", None),
        ({"user-agent": "charm-crush/0.1"}, "Charm Crush", None),
        ({"x-cursor-client-version": "2.0"}, "Cursor", None),
        ({"x-cursor-client-version": ""}, "Unknown", None),
        ({"user-agent": "opencode/1.0", "x-session-id": "a"}, "OpenCode", "a"),
        ({"user-agent": "QwenCode/0.15.10 (linux; x64)"}, "Qwen Code", None),
        ({"user-agent": "Junie/1"}, "Junie", None),
        ({"user-agent": "OpenAI/Python 3.54.0"}, "Unknown", None),
        ({"user-agent": "my claude wrapper"}, "Unknown", None),
        ({"originator": "Kilo-Code"}, "Unknown", None),
        ({}, "Unknown", None),
    ],
)
def test_a_client_and_its_session_are_known_by_its_headers(headers, client, session):
    found = identify(headers, NOTHING)
    assert (found.client, found.session_id) == (client, session)


def test_the_order_of_the_session_ids_sources():
    headers = {"user-agent": "claude-cli/2", "x-claude-code-session-id": "own", "x-session-id": "generic"}
    body = {"body_session_id": "body", "prompt_cache_key": "key"}

    assert identify(headers, facts(**body)).session_id == "own"
    del headers["x-claude-code-session-id"]
    assert identify(headers, facts(**body)).session_id == "body"
    del body["body_session_id"]
    assert identify(headers, facts(**body)).session_id == "generic"
    del headers["x-session-id"]
    assert identify(headers, facts(**body)).session_id == "key"
    assert identify(headers, NOTHING).session_id is None


def test_another_clients_header_is_no_session():
    assert identify({"user-agent": "zed/1", "x-claude-code-session-id": "a"}, NOTHING).session_id is None


@pytest.mark.parametrize("bad", ["", "  ", "a" * 257, "a\x00b", "a\nb"])
def test_an_id_that_makes_no_sense_is_passed_over(bad):
    headers = {"user-agent": "claude-cli/2", "x-claude-code-session-id": bad, "x-claude-code-agent-id": bad}
    found = identify(headers, facts(prompt_cache_key="key"))
    assert found.session_id == "key"
    assert not found.sub_agent
    assert found.metadata == {}


def test_a_sub_agent_with_its_own_session_joins_its_parents():
    headers = {"user-agent": "opencode/1", "x-session-id": "child", "x-parent-session-id": "parent"}
    found = identify(headers, NOTHING)
    assert found.session_id == "parent"
    assert found.metadata == {"parent_session_id": "parent", "agent_session_id": "child"}
    assert found.sub_agent


def test_a_thread_alone_is_no_sub_agent():
    found = identify({"user-agent": "codex_exec/1", "session-id": "s", "thread-id": "s"}, NOTHING)
    assert found.metadata == {"thread_id": "s"}
    assert not found.sub_agent


@given(st.dictionaries(st.sampled_from(["user-agent", "originator", "x-session-id", "x-initiator"]), st.text()))
def test_any_headers_are_somebody_or_unknown(headers):
    assert identify(headers, NOTHING).client
