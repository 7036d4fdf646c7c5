"""A turn of the Chat Completions API (platform.openai.com, "Chat", "The chat completion chunk object")."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aigateway.wire.answers import members
from aigateway.wire.inner.events import RawEvent
from aigateway.wire.inner.pieces import UNREADABLE, RawMembers, added, array, edited, inside, is_string, json_object
from aigateway.wire.inner.stream import StreamTurn
from aigateway.wire.inner.turn import HeldCall, Round
from aigateway.wire.lenient import Reader

_NONE = msgspec.Raw()
CUT_SHORT = frozenset({"length", "content_filter"})
"""Reasons to finish with which a call may be half there."""
OF_THE_FIRST = ("id", "created", "model", "system_fingerprint")
"""What is the same in every chunk of an answer."""
TEXTS = ("content", "reasoning_content", "reasoning", "reasoning_text")
"""The texts of a message. What several answers say in one of them is told apart by an empty line."""
NOT_TAKEN_BACK = frozenset({"role", "tool_calls", "function_call", "annotations", "audio"})
"""Members of a message that no request repeats, or that are put together otherwise."""
_EMPTY = frozenset({b'""', b"null", b"[]"})


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = _NONE


class _ToolDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    custom: _Function | None = None


class _Choice(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    choices: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = _NONE


_CHUNK = Reader(_Chunk)
_CHOICE = Reader(_Choice)
_TOOL_DELTA = Reader(_ToolDelta)
_TOOL_DELTAS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(RawMembers)


@dataclass(slots=True)
class _Call:
    """A call that is being told."""

    index: int | None
    call_id: str
    name: str = ""
    held: bool = False
    arguments: list[bytes] = field(default_factory=list)
    more: dict[str, bytes] = field(default_factory=dict)
    """Members that only some providers know, such as the signature of a thought."""
    undecided: list[bytes] = field(default_factory=list)
    """What was told of it before its name."""


class ChatStream(StreamTurn):
    """See `Turn`. There is one choice: where a client asks for several, nothing is held back."""

    def __init__(self, held: Collection[str]) -> None:
        """Take the names of the tools whose calls are held back."""
        super().__init__()
        self._held = held
        self._first: dict[str, bytes] = {}
        self._before: dict[str, Any] = {}
        self._texts_before: frozenset[str] = frozenset()
        self._role_shown = False
        self._later = False
        self._start()

    def _start(self) -> None:
        self._response_id = ""
        self._calls: list[_Call] = []
        self._last: dict[int | None, _Call] = {}
        self._said: dict[str, list[bytes]] = {}
        self._said_else: dict[str, bytes] = {}
        self._usage: dict[str, Any] = {}
        self._finish: str | None = None
        self._finishing: tuple[RawEvent, bytes] | None = None
        self._finish_says = False
        self._texts: set[str] = set()

    def _reset(self) -> None:
        self._before = added(self._before, self._usage)
        self._texts_before |= self._texts
        self._later = True
        self._start()

    def _round(self) -> Round:
        calls: tuple[HeldCall, ...] = ()
        if (self.finished or self._finish) and self._finish not in CUT_SHORT:
            calls = tuple(_held_call(call, number) for number, call in enumerate(self._calls) if call.held)
        client = tuple(call.call_id for call in self._calls if not call.held)
        said = (self._message(calls),) if calls else ()
        return Round(calls, client, said, self._response_id)

    def _message(self, calls: tuple[HeldCall, ...]) -> bytes:
        texts = {name: b'"' + b"".join(parts) + b'"' for name, parts in self._said.items()}
        whole = {"role": b'"assistant"', "content": b"null"} | self._said_else | texts
        return json_object(whole | {"tool_calls": array(call.raw for call in calls)})

    def _tell(self, event: RawEvent) -> bytes:
        if event.data.startswith(b"[DONE]"):
            self.finished = True
            self.close()
            return b""
        chunk = _CHUNK.read(event.data) if event.data else None
        if chunk is None:
            return event.block
        self._response_id = self._response_id or chunk.id or ""
        if chunk.id and not self._first:
            given = _MEMBERS.decode(event.data)
            self._first = {name: bytes(given[name]) for name in OF_THE_FIRST if name in given}
        if usage := members(chunk.usage):
            self._usage = usage
        if chunk.choices is None or len(chunk.choices) != 1:
            return self._chunk(event, {})
        return self._tell_choice(event, bytes(chunk.choices[0]))

    def _tell_choice(self, event: RawEvent, raw: bytes) -> bytes:
        choice = _CHOICE.read(raw) or _Choice()
        delta = choice.delta or {}
        put = self._take_delta(delta)
        gone = [name for name, value in put.items() if value is None]
        kept = {name: value for name, value in put.items() if value is not None}
        shown = edited(_delta_of(raw), kept, gone) if put else None
        left = {name: kept.get(name, bytes(value)) for name, value in delta.items() if name not in gone}
        says = any(value not in _EMPTY for name, value in left.items() if name != "role")
        if choice.finish_reason:
            self._finish = choice.finish_reason
            told = raw if shown is None else edited(raw, {"delta": shown})
            self._finishing, self._finish_says = (event, told), says
            self.close()
            return b""
        if put and not says and "role" not in left:
            return b""
        self._role_shown |= "role" in left
        return self._chunk(event, {} if shown is None else {"choices": array([edited(raw, {"delta": shown})])})

    def _take_delta(self, delta: Mapping[str, msgspec.Raw]) -> dict[str, bytes | None]:
        """Keep what a delta says; give the members that the client gets instead, None for those that it does not."""
        put: dict[str, bytes | None] = {}
        for name, value in delta.items():
            if name == "tool_calls":
                put |= self._take_calls(value)
            elif name == "role":
                if self._later and self._role_shown:
                    put[name] = None
            elif name not in NOT_TAKEN_BACK and bytes(value) != b"null":
                self._keep_said(name, value)
            if name in TEXTS and is_string(value) and bytes(value) not in _EMPTY:
                if name in self._texts_before and name not in self._texts:
                    put[name] = rb'"\n\n' + inside(value) + b'"'
                self._texts.add(name)
        return put

    def _keep_said(self, name: str, value: msgspec.Raw) -> None:
        raw = self.keep(bytes(value))
        if is_string(value):
            self._said.setdefault(name, []).append(inside(raw))
        elif raw.startswith(b"[") and name in self._said_else:
            self._said_else[name] = array([*_TOOL_DELTAS.decode(self._said_else[name]), *_TOOL_DELTAS.decode(raw)])
        else:
            self._said_else[name] = raw

    def _take_calls(self, raw: msgspec.Raw) -> dict[str, bytes | None]:
        try:
            entries = [bytes(entry) for entry in _TOOL_DELTAS.decode(raw)]
        except UNREADABLE:
            return {}
        shown = [told for entry in entries for told in self._take_call(entry)]
        if shown == entries:
            return {}
        self.changed = True
        return {"tool_calls": array(shown) if shown else None}

    def _take_call(self, entry: bytes) -> list[bytes]:
        """Add to a call what is told of it; give what the client may have."""
        told = _TOOL_DELTA.read(entry) or _ToolDelta()
        function = told.function or told.custom or _Function()
        call = self._call_of(told, function)
        call.call_id = call.call_id or told.id or ""
        if function.name and not call.name:
            call.name = function.name.strip()
            call.held = told.custom is None and call.name in self._held
        if not call.name:
            call.undecided.append(self.keep(entry))
        if is_string(function.arguments):
            call.arguments.append(self.keep(inside(function.arguments)))
        if call.held or not call.name:
            self._keep_more(call, entry)
            return []
        before, call.undecided = call.undecided, []
        return [self._with_index(call, waiting) for waiting in (*before, entry)]

    def _call_of(self, told: _ToolDelta, function: _Function) -> _Call:
        """The call of that index, or a new one, as the record tells them apart (`wire/chat.py`)."""
        call = self._last.get(told.index)
        if (
            call is None
            or (told.id and call.call_id and told.id != call.call_id)
            or (told.index is None and not told.id and function.name and call.name)
        ):
            call = self._last[told.index] = _Call(told.index, told.id or "")
            self._calls.append(call)
        return call

    def _keep_more(self, call: _Call, entry: bytes) -> None:
        for name, value in _MEMBERS.decode(entry).items():
            if name not in {"index", "id", "type", "function", "custom"}:
                call.more[name] = self.keep(bytes(value))

    def _with_index(self, call: _Call, entry: bytes) -> bytes:
        if call.index is None:
            return entry
        less = sum(other.held and (other.index or 0) < call.index for other in self._calls)
        return edited(entry, {"index": b"%d" % (call.index - less)}) if less else entry

    def _chunk(self, event: RawEvent, put: dict[str, bytes]) -> bytes:
        """A chunk as the client gets it: of an answer that began with the first one."""
        if self._later:
            given = _MEMBERS.decode(event.data)
            put = put | {name: value for name, value in self._first.items() if name in given}
            if usage := members(given.get("usage", _NONE)):
                put["usage"] = msgspec.json.encode(added(self._before, usage))
        return event.with_data(edited(event.data, put)) if put else event.block

    def _closed(self, event: RawEvent) -> bytes:
        chunk = None if event.data.startswith(b"[DONE]") else _CHUNK.read(event.data) if event.data else None
        if chunk is None:
            return event.block
        if not chunk.choices:
            return self._chunk(event, {})
        if self._finishing is None or self._finishing[0] is not event:
            return b""  # behind the finish nobody says anything
        shown = any(not call.held for call in self._calls)
        told = edited(self._finishing[1], {"finish_reason": told_reason(self._finish, calls_shown=shown)})
        return self._chunk(event, {"choices": array([told])})

    def _carried(self) -> bytes:
        if self._finishing is None or not self._finish_says:
            return b""
        event, told = self._finishing
        return self._chunk(event, {"choices": array([edited(told, {"finish_reason": b"null"})])})


def told_reason(reason: str | None, *, calls_shown: bool) -> bytes:
    """Why it ended, for a client that may not have seen all the calls."""
    return msgspec.json.encode("stop" if reason == "tool_calls" and not calls_shown else reason)


def _delta_of(choice: bytes) -> bytes:
    return bytes(_MEMBERS.decode(choice)["delta"])


def _held_call(call: _Call, number: int) -> HeldCall:
    arguments = b'"' + b"".join(call.arguments) + b'"'
    return tool_call(call.call_id or f"call_{number}", call.name, arguments, call.more)


def tool_call(call_id: str, name: str, arguments: bytes, more: Mapping[str, bytes]) -> HeldCall:
    """A call as a request repeats it; the arguments are a JSON string."""
    function = json_object({"name": msgspec.json.encode(name), "arguments": arguments})
    raw = json_object({"id": msgspec.json.encode(call_id), "type": b'"function"', "function": function, **more})
    try:
        text = msgspec.json.decode(arguments, type=str)
    except UNREADABLE:
        text = ""
    return HeldCall(call_id, name, text, raw)
