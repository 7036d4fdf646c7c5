"""Which program sent a request, and in which session (data-plane spec 4, `clients.md` 1; decision 30)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from aigateway.wire.facts import ClientFacts, RequestFacts

UNKNOWN = "Unknown"
_LONGEST_ID = 256


@dataclass(frozen=True, slots=True)
class _Client:
    """How a client is known, and which headers carry its session id (the first that has one counts)."""

    name: str
    agents: tuple[str, ...] = ()
    """What its lower-cased User-Agent begins with."""
    marks: tuple[tuple[str, frozenset[str]], ...] = ()
    """Headers, and the values that give it away; no values means any."""
    sessions: tuple[str, ...] = ()


_CLIENTS: tuple[_Client, ...] = (
    _Client("Mux", agents=("mux/",), sessions=("x-mux-workspace-id",)),
    _Client("Claude Code", agents=("claude",), sessions=("x-claude-code-session-id",)),
    _Client("Codex", agents=("codex",), sessions=("session-id", "session_id")),
    _Client("Zed", agents=("zed/",)),
    _Client("GitHub Copilot (VS Code)", agents=("githubcopilotchat/",), sessions=("x-interaction-id",)),
    _Client("GitHub Copilot (CLI)", agents=("copilot/",), sessions=("x-client-session-id",)),
    _Client(
        "Kilo Code",
        agents=("kilo-code/", "kilo/"),
        marks=(("originator", frozenset({"kilo-code"})), ("x-title", frozenset({"Kilo Code"}))),
        sessions=("x-kilocode-taskid",),
    ),
    _Client(
        "Roo Code",
        agents=("roo-code/",),
        marks=(("originator", frozenset({"roo-code"})), ("x-title", frozenset({"Roo Code"}))),
    ),
    _Client("Coder Agents", agents=("coder-agents/",), sessions=("x-coder-chat-id",)),
    _Client("Charm Crush", agents=("charm crush/", "charm-crush/")),
    _Client("Cursor", marks=(("x-cursor-client-version", frozenset()),)),
    _Client("OpenCode", agents=("opencode/",), sessions=("x-session-id",)),
    _Client("Qwen Code", agents=("qwencode/",)),
    _Client("Junie", agents=("junie",)),
    _Client("Xum", agents=("xum/",), sessions=("x-xum-workspace-id", "x-mux-workspace-id")),
    # With a provider of one's own Copilot CLI sends a bare SDK's User-Agent; only this header names it.
    _Client(
        "GitHub Copilot (CLI)",
        marks=(("x-initiator", frozenset({"user", "agent"})),),
        sessions=("x-client-session-id",),
    ),
)
"""In the order in which they are tried: first those of the spec's table, in its order."""

_NOBODY = _Client(UNKNOWN)

_AGENT_MARKS: tuple[tuple[str, str], ...] = (
    ("x-claude-code-agent-id", "agent_id"),
    ("x-openai-subagent", "subagent"),
    ("x-codex-parent-thread-id", "parent_thread_id"),
    ("x-parent-session-id", "parent_session_id"),
)
"""Headers that only a sub-agent sends, and the names under which they are kept."""

_OTHER_IDS: tuple[tuple[str, str], ...] = (("thread-id", "thread_id"),)

_NAMING = frozenset(header for header, _ in _AGENT_MARKS + _OTHER_IDS)


def identify(headers: Mapping[str, str], facts: RequestFacts) -> ClientFacts:
    """Tell the client and the session of a request; `headers` has lower-case names.

    The session id is the client's own, else that of `metadata.user_id`, else `x-session-id`, else `prompt_cache_key`.
    A sub-agent with a session of its own joins its parent's, and its own id is kept as `agent_session_id`. An id that
    is blank, longer than 256 characters or not printable counts as none.
    """
    agent = headers.get("user-agent", "")[:_LONGEST_AGENT]
    if _TELLING.isdisjoint(headers):
        client = _by_agent(agent)
        return ClientFacts(client.name, _session(client, headers, facts))
    client = _find(agent, headers)
    session = _session(client, headers, facts)
    marks = {name: value for header, name in _AGENT_MARKS if (value := _id(headers.get(header)))}
    metadata = marks | {name: value for header, name in _OTHER_IDS if (value := _id(headers.get(header)))}
    parent = marks.get("parent_session_id")
    if parent and session and session != parent:
        metadata["agent_session_id"] = session
    return ClientFacts(client.name, parent or session, metadata, sub_agent=bool(marks))


_TELLING = _NAMING | {name for client in _CLIENTS for name, _ in client.marks}
"""Headers that say more than a User-Agent."""
_LONGEST_AGENT = 64
"""Characters of a User-Agent that are looked at, more than any client is known by."""


@lru_cache(maxsize=256)
def _by_agent(agent: str) -> _Client:
    return _find(agent, {})


def _find(agent: str, headers: Mapping[str, str]) -> _Client:
    agent = agent.lower()
    for client in _CLIENTS:
        if agent.startswith(client.agents) or any(_shows(headers.get(name), values) for name, values in client.marks):
            return client
    return _NOBODY


def _shows(value: str | None, values: frozenset[str]) -> bool:
    return bool(value) and (not values or value in values)


def _session(client: _Client, headers: Mapping[str, str], facts: RequestFacts) -> str | None:
    for name in client.sessions:
        if session := _id(headers.get(name)):
            return session
    if facts.body_session_id and (session := _id(facts.body_session_id)):
        return session
    if (generic := headers.get("x-session-id")) and (session := _id(generic.removeprefix("title-"))):
        return session
    return _id(facts.prompt_cache_key) if facts.prompt_cache_key else None


def _id(value: str | None) -> str | None:
    if not value:
        return None
    stripped = value.strip()
    return stripped if stripped and len(stripped) <= _LONGEST_ID and stripped.isprintable() else None
