"""A turn of the Chat Completions API that is told as one completion."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from aigateway.wire.answers import members
from aigateway.wire.inner.body import BodyTurn
from aigateway.wire.inner.chat import CUT_SHORT, OF_THE_FIRST, TEXTS, told_reason, tool_call
from aigateway.wire.inner.pieces import RAW_MEMBERS, UNREADABLE, RawMembers, added, array, edited, inside, is_string
from aigateway.wire.inner.turn import HeldCall, Round
from aigateway.wire.lenient import Reader

_NONE = msgspec.Raw()
_NOT_TAKEN_BACK = ("annotations", "audio", "function_call")


class _Function(msgspec.Struct):
    name: str = ""
    arguments: msgspec.Raw = _NONE


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Choice(msgspec.Struct):
    message: msgspec.Raw = _NONE
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    id: str | None = None
    choices: list[msgspec.Raw] = []
    usage: msgspec.Raw = _NONE


class _Calls(msgspec.Struct):
    tool_calls: list[msgspec.Raw] | None = None


_COMPLETION = Reader(_Completion)
_CHOICE = Reader(_Choice)
_CALLS = Reader(_Calls)
_CALL = Reader(_Call)


class ChatBody(BodyTurn):
    """See `Turn`."""

    def __init__(self, held: Collection[str]) -> None:
        """Take the names of the tools whose calls are held back."""
        super().__init__()
        self._held = held
        self._first: dict[str, bytes] = {}
        self._texts: dict[str, list[bytes]] = {}
        self._usage: dict[str, Any] = {}

    def round(self) -> Round:
        """See `Turn`."""
        told = self._told()
        choice = self._choice(told)
        calls: list[HeldCall] = []
        client: list[str] = []
        for number, raw in enumerate(_calls_of(choice)):
            if self._is_held(raw):
                calls.append(_held_call(raw, number))
            else:
                client.append((_CALL.read(raw) or _Call()).id or "")
        self.changed |= bool(calls)
        if choice.finish_reason in CUT_SHORT:
            calls = []
        said = (edited(bytes(choice.message), {}, _NOT_TAKEN_BACK),) if calls else ()
        return Round(tuple(calls), tuple(client), said, told.id or "")

    def _told(self) -> _Completion:
        return _COMPLETION.read(self.body) or _Completion()

    @staticmethod
    def _choice(told: _Completion) -> _Choice:
        return (_CHOICE.read(told.choices[0]) if told.choices else None) or _Choice()

    def _is_held(self, raw: bytes) -> bool:
        function = (_CALL.read(raw) or _Call()).function
        return function is not None and function.name.strip() in self._held

    def _remember(self) -> None:
        told = self._told()
        if not self._first:
            given = _members(self.body)
            self._first = {name: bytes(given[name]) for name in OF_THE_FIRST if name in given}
        said = _members(bytes(self._choice(told).message))
        for name in TEXTS:
            if name in said and is_string(said[name]) and inside(said[name]):
                self._texts.setdefault(name, []).append(inside(said[name]))
        self._usage = added(self._usage, members(told.usage))

    def _merged(self) -> bytes:
        told = self._told()
        choice = self._choice(told)
        if not told.choices:
            return self.body
        shown = [raw for raw in _calls_of(choice) if not self._is_held(raw)]
        put = {}
        said = _members(bytes(choice.message))
        for name, before in self._texts.items():
            last = [inside(said[name])] if name in said and is_string(said[name]) and inside(said[name]) else []
            put[name] = b'"' + rb"\n\n".join(before + last) + b'"'
        if shown:
            put["tool_calls"] = array(shown)
        message = edited(bytes(choice.message), put, () if shown else ("tool_calls",))
        reason = told_reason(choice.finish_reason, calls_shown=bool(shown))
        first = edited(bytes(told.choices[0]), {"message": message, "finish_reason": reason})
        whole = self._first | {"choices": array([first])}
        if usage := members(told.usage):
            whole["usage"] = msgspec.json.encode(added(self._usage, usage))
        return edited(self.body, whole)


def _calls_of(choice: _Choice) -> list[bytes]:
    found = _CALLS.read(choice.message) if choice.message is not _NONE else None
    return [bytes(raw) for raw in (found and found.tool_calls) or ()]


def _held_call(raw: bytes, number: int) -> HeldCall:
    told = _CALL.read(raw) or _Call()
    function = told.function or _Function()
    arguments = bytes(function.arguments) if is_string(function.arguments) else b'""'
    made = tool_call(told.id or f"call_{number}", function.name.strip(), arguments, {})
    return HeldCall(made.call_id, made.name, made.arguments, raw if told.id else made.raw)


def _members(raw: bytes) -> RawMembers:
    try:
        return RAW_MEMBERS.decode(raw)
    except UNREADABLE:
        return {}
