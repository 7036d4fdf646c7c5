"""What a request may ask the simulator to do, and how it asks.

The header `x-sim-scenario`, or the word `sim:<scenario>` in the last user text, names one or several scenarios joined
by `+`, each with an optional number: `tools`, `thinking+crlf`, `cut:3`, `error-429:7`. Without one, the simulator
answers the last user text politely.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HEADER = "x-sim-scenario"

SCENARIOS: Mapping[str, str] = {
    "tools": "call the first tool of the request",
    "parallel-tools": "call two tools at once",
    "custom-tool": "call the first custom (free text) tool",
    "provider-tool": "a tool that the provider runs itself (web search); Responses and Messages only",
    "thinking": "show reasoning before the answer",
    "long": "an answer of N pieces (60)",
    "length": "stop at the token limit: finish_reason length, max_tokens, response.incomplete",
    "error-400": "answer 400 in the provider's shape",
    "error-401": "answer 401",
    "error-402": "answer 402",
    "error-403": "answer 403",
    "error-404": "answer 404",
    "error-408": "answer 408",
    "error-409": "answer 409",
    "error-413": "answer 413",
    "error-422": "answer 422",
    "error-429": "answer 429 with `retry-after: N` (1)",
    "error-500": "answer 500",
    "error-502": "answer 502 with an HTML page, as a load balancer does",
    "error-503": "answer 503 with `retry-after: N` (1)",
    "error-504": "answer 504",
    "error-529": "answer 529 (Anthropic: overloaded_error)",
    "error-event": "an error event in the API's shape after N events (4), then the end",
    "failed": "Responses: `response.failed` after N events (4); elsewhere the same as error-event",
    "cut": "end the stream cleanly after N events (4), without the API's own end",
    "drop": "close the connection after N events (4), 0 is before the headers",
    "reset": "reset the connection (RST) after N events (0, before the headers)",
    "hang": "say nothing more after N events (0, before the headers)",
    "no-websocket": "refuse a WebSocket (with 405; `error-…` with that status); in the header of the handshake",
    "slow": "N milliseconds (200) between events",
    "garbage": "events that are no JSON and lines that are no SSE between the real ones",
    "huge": "one event whose line is N megabytes (30) long",
    "keepalive": "comment lines between the events",
    "unknown-events": "well-formed events of a type that no client knows",
    "crlf": "CR LF line ends",
    "bom": "a byte order mark in front of the stream",
    "split": "pieces cut in the middle of an event and of a UTF-8 character",
    "one-piece": "the whole stream in one piece",
    "gzip": "a gzip encoded answer",
    "deflate": "a deflate encoded answer",
    "br": "a Brotli encoded answer",
    "zstd": "a Zstandard encoded answer",
}
"""Every scenario and what it does; the number behind the colon is N."""

_IN_TEXT = re.compile(r"(?:^|\s)sim:([a-z0-9:+-]+)")
_ENDINGS: Mapping[str, int] = {"error-event": 4, "failed": 4, "cut": 4, "drop": 4, "reset": 0, "hang": 0}
_ENCODINGS = ("gzip", "deflate", "br", "zstd")


class UnknownScenarioError(ValueError):
    """The request asked for a scenario that does not exist."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ends when not properly: `kind` is a scenario's name, `after` the number of events before it."""

    kind: str
    after: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """The scenarios that one request asked for, with their numbers."""

    parts: Mapping[str, int | None] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.parts

    def number(self, name: str, default: int) -> int:
        """The number given with `name`, or `default`."""
        number = self.parts.get(name)
        return default if number is None else number

    @property
    def status(self) -> int | None:
        """The HTTP error status that was asked for."""
        return next((int(name[6:]) for name in self.parts if name.startswith("error-") and name != "error-event"), None)

    @property
    def retry_after(self) -> int:
        """Seconds for the `retry-after` header of an error."""
        return self.number(f"error-{self.status}", 1)

    @property
    def ending(self) -> Ending | None:
        """How the answer breaks off, if it does."""
        return next((Ending(name, self.number(name, _ENDINGS[name])) for name in self.parts if name in _ENDINGS), None)

    @property
    def encoding(self) -> str | None:
        """The content coding that was asked for."""
        return next((name for name in self.parts if name in _ENCODINGS), None)


def parse(text: str) -> Scenario:
    """Read `a+b:3`; raises UnknownScenarioError with the list of known ones."""
    parts: dict[str, int | None] = {}
    for part in filter(None, text.split("+")):
        name, _, number = part.partition(":")
        if name not in SCENARIOS or (number and not number.isdecimal()):
            raise UnknownScenarioError(f"The simulator knows no scenario {part!r}; it knows: {', '.join(SCENARIOS)}")
        parts[name] = int(number) if number else None
    return Scenario(parts)


def find(header: str | None, text: str) -> Scenario:
    """The scenario of the header, else the one named in the user's text, else none."""
    if header:
        return parse(header.strip().lower())
    match = _IN_TEXT.search(text)
    return parse(match[1].rstrip(":+-")) if match else Scenario()
