"""What a request asks and what the simulator answers, in words that all three APIs share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from aigateway.simulator.sample import sample
from aigateway.simulator.scenario import Scenario

THINKING = ("The person said something. ", "A simulator cannot think, ", "so it pretends… ", "🤔 done.")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the request offers; `schema` is None for a custom one, which takes free text."""

    name: str
    schema: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Ask:
    """What the simulator reads of a request body."""

    model: str
    stream: bool
    text: str
    """The last user text, or the tool's answer when the request submits one."""
    answers_tool: bool = False
    tools: tuple[Tool, ...] = ()
    forced_tool: str | None = None
    """A tool's name, or `*` for any."""
    schema: Any = None
    """The JSON schema of a structured output."""
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that the answer makes."""

    number: int
    name: str
    arguments: str
    """JSON, or free text for a custom tool."""
    custom: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; `fresh` excludes what was read from or written to the cache."""

    fresh: int
    cache_read: int
    cache_write: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer before it takes an API's shape."""

    seed: str
    """64 hexadecimal digits that follow from the request's body; ids and times are made of them."""
    model: str
    thinking: tuple[str, ...]
    text: tuple[str, ...]
    tool_uses: tuple[ToolUse, ...]
    provider_tool: bool
    cut_by_length: bool
    usage: Usage

    @property
    def created(self) -> int:
        """Unix seconds, the same for the same request."""
        return 1_750_000_000 + int(self.seed[:6], 16)

    def ident(self, prefix: str, length: int = 24, *, salt: str = "") -> str:
        """An id in the provider's style, for example `chatcmpl-…`; `salt` tells several of one answer apart."""
        digest = hashlib.sha256(f"{self.seed}{prefix}{salt}".encode()).hexdigest()
        return prefix + digest[:length]


def as_json(value: Any) -> bytes:
    """Compact JSON in UTF-8, as providers send it."""
    return msgspec.json.encode(value)


def write(ask: Ask, scenario: Scenario, basis: bytes) -> Answer:
    """Decide on the answer; `basis` is the body (or the part of it that matters), from which ids and counts follow."""
    thinking = THINKING if ask.thinking or "thinking" in scenario else ()
    tool_uses = _tool_uses(ask, scenario)
    text = () if tool_uses and ask.forced_tool else _pieces(_text(ask, scenario, calls=bool(tool_uses)))
    total = max(16, len(basis) // 4)
    reasoning = 3 * len(thinking)
    return Answer(
        seed=hashlib.sha256(basis).hexdigest(),
        model=ask.model,
        thinking=thinking,
        text=text,
        tool_uses=tool_uses,
        provider_tool="provider-tool" in scenario,
        cut_by_length="length" in scenario,
        usage=Usage(
            fresh=total - total // 4 - total // 8,
            cache_read=total // 4,
            cache_write=total // 8,
            output=len(text) + reasoning + sum(5 + len(use.arguments) // 4 for use in tool_uses),
            reasoning=reasoning,
        ),
    )


def _text(ask: Ask, scenario: Scenario, *, calls: bool) -> str:
    if ask.schema is not None and not calls:
        return as_json(sample(ask.schema)).decode()
    if "long" in scenario:
        return " ".join(f"word{number}" for number in range(1, scenario.number("long", 60) + 1))
    if calls:
        return "Let me use a tool for that. 🔧"
    said = ask.text.strip()
    said = f"{said[:200]}…" if len(said) > 200 else said
    if ask.answers_tool:
        return f"Thank you 🙏 The tool said: “{said}”"
    if not said:
        return "Hello 👋 I am the simulated provider. Say something and I shall repeat it."
    return f"Hello 👋 I am the simulated provider. No model was harmed in answering you. You said: “{said}”"


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\S+\s*", text))


def _tool_uses(ask: Ask, scenario: Scenario) -> tuple[ToolUse, ...]:
    tools = _chosen(ask, scenario)
    return tuple(
        ToolUse(number, tool.name, _arguments(tool, ask.text), custom=tool.schema is None)
        for number, tool in enumerate(tools)
    )


def _chosen(ask: Ask, scenario: Scenario) -> list[Tool]:
    if not ask.tools:
        return []
    if "parallel-tools" in scenario:
        return [ask.tools[0], ask.tools[1 % len(ask.tools)]]
    if "custom-tool" in scenario:
        return [tool for tool in ask.tools if tool.schema is None][:1]
    if "tools" in scenario or ask.forced_tool == "*":
        return [ask.tools[0]]
    if ask.forced_tool:
        return [tool for tool in ask.tools if tool.name == ask.forced_tool][:1]
    if ask.answers_tool or not re.search(r"\b(?:call|use|run)\b", ask.text, re.IGNORECASE):
        return []
    asked = re.compile(r"\b(?:call|use|run)\s+(?:the\s+)?(?:tool\s+)?[`'\"]?([\w.-]+)", re.IGNORECASE).findall(ask.text)
    return [tool for tool in ask.tools if tool.name in asked][:1]


def _arguments(tool: Tool, text: str) -> str:
    """The JSON object that the person wrote behind the tool's name, else a sample for the tool's schema."""
    if tool.schema is None:
        return f"free text for {tool.name} ✓"
    start = text.find("{")
    if start >= 0:
        try:
            return as_json(msgspec.json.decode(text[start : text.rfind("}") + 1], type=dict[str, Any])).decode()
        except msgspec.MsgspecError:
            pass
    return as_json(sample(tool.schema) or {}).decode()
