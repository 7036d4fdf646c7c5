"""A turn of the Messages API that is told as one message."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from aigateway.wire.answers import members
from aigateway.wire.inner.body import BodyTurn
from aigateway.wire.inner.messages import CUT_SHORT, Head, is_held, message, told_reason
from aigateway.wire.inner.pieces import RAW_MEMBERS, UNREADABLE, added, array, edited
from aigateway.wire.inner.turn import HeldCall, Round
from aigateway.wire.lenient import Reader

_NONE = msgspec.Raw()
_OF_THE_FIRST = ("id", "model")


class _Message(msgspec.Struct):
    id: str | None = None
    content: list[msgspec.Raw] = []
    stop_reason: str | None = None
    usage: msgspec.Raw = _NONE


_MESSAGE = Reader(_Message)
_HEAD = Reader(Head)


class MessagesBody(BodyTurn):
    """See `Turn`."""

    def __init__(self, held: Collection[str]) -> None:
        """Take the names of the tools whose calls are held back."""
        super().__init__()
        self._held = held
        self._first: dict[str, bytes] = {}
        self._blocks: list[bytes] = []
        self._usage: dict[str, Any] = {}

    def round(self) -> Round:
        """See `Turn`."""
        told = self._told()
        blocks = [(_HEAD.read(raw) or Head(), bytes(raw)) for raw in told.content]
        calls = tuple(_call(head, raw) for head, raw in blocks if is_held(head, self._held))
        self.changed |= bool(calls)
        if told.stop_reason in CUT_SHORT:
            calls = ()
        client = tuple(head.id or "" for head, _ in self._shown_calls(told))
        said = (message("assistant", [raw for _, raw in blocks]),) if calls else ()
        return Round(calls, client, said, told.id or "")

    def _told(self) -> _Message:
        return _MESSAGE.read(self.body) or _Message()

    def _shown(self, told: _Message) -> list[tuple[Head, bytes]]:
        blocks = ((_HEAD.read(raw) or Head(), bytes(raw)) for raw in told.content)
        return [(head, raw) for head, raw in blocks if not is_held(head, self._held)]

    def _shown_calls(self, told: _Message) -> list[tuple[Head, bytes]]:
        return [(head, raw) for head, raw in self._shown(told) if head.type == "tool_use"]

    def _remember(self) -> None:
        told = self._told()
        if not self._first:
            given = RAW_MEMBERS.decode(self.body)
            self._first = {name: bytes(given[name]) for name in _OF_THE_FIRST if name in given}
        self._blocks += [raw for _, raw in self._shown(told)]
        self._usage = added(self._usage, members(told.usage))

    def _merged(self) -> bytes:
        told = self._told()
        put = self._first | {
            "content": array([*self._blocks, *(raw for _, raw in self._shown(told))]),
            "stop_reason": told_reason(told.stop_reason, calls_shown=bool(self._shown_calls(told))),
            "usage": msgspec.json.encode(added(self._usage, members(told.usage))),
        }
        return edited(self.body, put)


def _call(head: Head, raw: bytes) -> HeldCall:
    try:
        given = bytes(RAW_MEMBERS.decode(raw).get("input", msgspec.Raw(b"{}")))
    except UNREADABLE:
        given = b"{}"
    return HeldCall(head.id or "", head.name or "", given.decode("utf-8", "replace"), raw)
