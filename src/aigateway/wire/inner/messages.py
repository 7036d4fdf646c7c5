"""A turn of the Messages API (docs.anthropic.com, "Streaming Messages", "Tool use")."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aigateway.wire.answers import members
from aigateway.wire.inner.events import RawEvent
from aigateway.wire.inner.pieces import (
    RAW_MEMBERS,
    UNREADABLE,
    RawMembers,
    added,
    array,
    edited,
    inside,
    is_string,
    json_object,
)
from aigateway.wire.inner.stream import StreamTurn
from aigateway.wire.inner.turn import HeldCall, Round
from aigateway.wire.lenient import Reader, string

_NONE = msgspec.Raw()
CUT_SHORT = frozenset({"max_tokens", "model_context_window_exceeded", "pause_turn", "refusal"})
"""Reasons to stop with which a call may be half there, or is not meant to be made."""
COUNTS = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
    }
)
"""What the usage of a `message_delta` may hold, all of it cumulative."""


class Head(msgspec.Struct):
    """What a block is."""

    type: str = ""
    id: str | None = None
    name: str | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    usage: msgspec.Raw = _NONE


class _Stop(msgspec.Struct):
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: msgspec.Raw = _NONE
    delta: msgspec.Raw = _NONE
    usage: msgspec.Raw = _NONE


_EVENT = Reader(_Event)
_HEAD = Reader(Head)
_STOP = Reader(_Stop)


@dataclass(slots=True)
class _Block:
    """A content block that is being told."""

    start: bytes
    head: Head
    shown_as: int | None
    """Its index for the client; None while it is held back."""
    deltas: list[bytes] = field(default_factory=list)


def is_held(head: Head, held: Collection[str]) -> bool:
    """Whether a block is a call of ours."""
    return head.type == "tool_use" and head.name in held


class MessagesStream(StreamTurn):
    """See `Turn`."""

    def __init__(self, held: Collection[str]) -> None:
        """Take the names of the tools whose calls are held back."""
        super().__init__()
        self._held = held
        self._first = True
        self._shown = 0
        self._before: dict[str, Any] = {}
        self._start()

    def _start(self) -> None:
        self._response_id = ""
        self._blocks: list[_Block] = []
        self._open: dict[int, _Block] = {}
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None

    def _reset(self) -> None:
        self._before = added(self._before, self._usage)
        self._first = False
        self._start()

    def _round(self) -> Round:
        calls: tuple[HeldCall, ...] = ()
        said: tuple[bytes, ...] = ()
        if self.finished and self._stop_reason not in CUT_SHORT:
            calls = tuple(_call(block) for block in self._blocks if block.shown_as is None)
        if calls:
            blocks = (_whole(block) for block in self._blocks)
            said = (message("assistant", [block for block in blocks if block is not None]),)
        client = tuple(block.head.id or "" for block in self._shown_calls())
        return Round(calls, client, said, self._response_id)

    def _shown_calls(self) -> list[_Block]:
        return [block for block in self._blocks if block.head.type == "tool_use" and block.shown_as is not None]

    def _tell(self, event: RawEvent) -> bytes:
        told = _EVENT.read(event.data) if event.data else None
        if told is None:
            return event.block
        match _kind(event, told):
            case "content_block_start":
                return self._begin_block(event, told)
            case "content_block_delta" | "content_block_stop":
                return self._in_block(event, told)
            case "message_start" if told.message:
                self._response_id = told.message.id or ""
                self._take_usage(told.message.usage)
                return event.block if self._first else b""
            case "message_delta":
                self._take_usage(told.usage)
                self._stop_reason = (_STOP.read(told.delta) or _Stop()).stop_reason
                self.close()
            case "message_stop":
                self.finished = True
                self.close()
        return event.block

    def _take_usage(self, raw: msgspec.Raw) -> None:
        self._usage |= {name: value for name, value in members(raw).items() if value is not None}

    def _begin_block(self, event: RawEvent, told: _Event) -> bytes:
        head = _HEAD.read(told.content_block) or Head()
        held = is_held(head, self._held)
        self.changed |= held
        index = self._shown if self.changed else told.index
        block = _Block(self.keep(bytes(told.content_block)), head, None if held else index)
        self._blocks.append(block)
        self._open[told.index] = block
        if held:
            return b""
        self._shown = index + 1
        return _with_index(event, told.index, index)

    def _in_block(self, event: RawEvent, told: _Event) -> bytes:
        block = self._open.get(told.index)
        if block is None:
            return event.block
        if told.delta is not _NONE:
            block.deltas.append(self.keep(bytes(told.delta)))
        return b"" if block.shown_as is None else _with_index(event, told.index, block.shown_as)

    def _closed(self, event: RawEvent) -> bytes:
        told = _EVENT.read(event.data) if event.data else None
        if told is None or _kind(event, told) != "message_delta":
            return event.block
        total = added(self._before, self._usage)
        last = members(told.usage)
        usage = {name: value for name, value in total.items() if name in COUNTS or name in last}
        reason = told_reason(self._stop_reason, calls_shown=bool(self._shown_calls()))
        delta = edited(bytes(told.delta), {"stop_reason": reason})
        return event.with_data(edited(event.data, {"delta": delta, "usage": msgspec.json.encode(usage)}))


def _kind(event: RawEvent, told: _Event) -> str:
    return told.type or event.name.decode("utf-8", "replace")


def told_reason(reason: str | None, *, calls_shown: bool) -> bytes:
    """Why it ended, for a client that may not have seen all the calls."""
    return msgspec.json.encode("end_turn" if reason == "tool_use" and not calls_shown else reason)


def message(role: str, content: list[bytes]) -> bytes:
    """A message of content blocks."""
    return json_object({"role": msgspec.json.encode(role), "content": array(content)})


def _with_index(event: RawEvent, index: int, shown_as: int) -> bytes:
    return event.block if index == shown_as else event.with_data(edited(event.data, {"index": b"%d" % shown_as}))


def _call(block: _Block) -> HeldCall:
    raw = _whole(block) or block.start
    arguments = _partial_json(block).decode() or _given_input(block)
    return HeldCall(block.head.id or "", block.head.name or "", arguments, raw)


def _given_input(block: _Block) -> str:
    return bytes(_members(block.start).get("input", msgspec.Raw(b"{}"))).decode("utf-8", "replace")


def _partial_json(block: _Block) -> bytes:
    parts = [_members(delta).get("partial_json") for delta in block.deltas]
    whole = b'"' + b"".join(inside(part) for part in parts if part is not None and is_string(part)) + b'"'
    return (string(whole) or "").encode("utf-8", "replace")


def _whole(block: _Block) -> bytes | None:
    """The block with all of its deltas; None where there is nothing in it that the API would take back."""
    strings: dict[str, list[bytes]] = {}
    put: dict[str, bytes] = {}
    citations: list[bytes] = []
    for delta in block.deltas:
        for name, value in _members(delta).items():
            if name == "citation":
                citations.append(bytes(value))
            elif name not in {"type", "partial_json"}:
                if is_string(value):
                    strings.setdefault(name, []).append(inside(value))
                else:
                    put[name] = bytes(value)
    given = _members(block.start)
    for name, parts in strings.items():
        before = [inside(given[name])] if name in given and is_string(given[name]) else []
        put[name] = b'"' + b"".join(before + parts) + b'"'
    if citations:
        put["citations"] = array(citations)
    if block.head.type.endswith("tool_use") and (partial := _partial_json(block)):
        put["input"] = partial if _is_json_object(partial) else b"{}"
    if block.head.type == "text" and bytes(put.get("text", given.get("text", b'""'))) == b'""':
        return None
    return edited(block.start, put) if put else block.start


def _members(raw: bytes) -> RawMembers:
    try:
        return RAW_MEMBERS.decode(raw)
    except UNREADABLE:
        return {}


def _is_json_object(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, Any])
    except UNREADABLE:
        return False
    return True
