"""A turn of the Responses API (platform.openai.com, "Responses", "Streaming events")."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from aigateway.wire.answers import members
from aigateway.wire.inner.events import RawEvent
from aigateway.wire.inner.pieces import UNREADABLE, RawMembers, added, array, edited
from aigateway.wire.inner.stream import StreamTurn
from aigateway.wire.inner.turn import HeldCall, Round
from aigateway.wire.lenient import Reader

_NONE = msgspec.Raw()
OF_THE_FIRST = ("id", "created_at")
"""What of a response stays as it was when the turn began."""
_OPENING = frozenset({"response.created", "response.in_progress", "response.queued"})
_COMPLETED = frozenset({"response.completed", "response.done"})
_CLOSING = _COMPLETED | {"response.failed", "response.incomplete", "response.cancelled"}


class Item(msgspec.Struct):
    """What an output item is."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str = ""
    execution: str | None = None
    environment: msgspec.Raw = _NONE


class Response(msgspec.Struct):
    """What is read of a response."""

    id: str | None = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = _NONE


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item: msgspec.Raw = _NONE
    response: msgspec.Raw = _NONE


_EVENT = Reader(_Event)
_ITEM = Reader(Item)
_RESPONSE = Reader(Response)
_MEMBERS = msgspec.json.Decoder(RawMembers)


def is_held(item: Item, held: Collection[str]) -> bool:
    """Whether an item is a call of ours."""
    return item.type == "function_call" and item.name in held and not item.namespace


def is_the_clients(item: Item) -> bool:
    """Whether the client has to answer an item, as far as it is not a call of ours (as `wire/responses.py` tells)."""
    if item.type == "mcp_approval_request":
        return True
    hosted = str(members(item.environment).get("type", "")).startswith("container")
    return item.type.endswith("_call") and bool(item.call_id) and item.execution != "server" and not hosted


def held_call(item: Item, raw: bytes) -> HeldCall:
    """The call that an item stands for."""
    return HeldCall(item.call_id or "", item.name or "", item.arguments.strip(), raw, item.id)


def read_item(raw: bytes | msgspec.Raw) -> Item:
    """Read an item."""
    return _ITEM.read(raw) or Item()


def read_response(raw: bytes | msgspec.Raw) -> Response:
    """Read a response."""
    return _RESPONSE.read(raw) or Response()


def of_the_first(response: bytes) -> dict[str, bytes]:
    """Those members of the first response that stay."""
    try:
        given = _MEMBERS.decode(response)
    except UNREADABLE:
        return {}
    return {name: bytes(given[name]) for name in OF_THE_FIRST if name in given}


def round_of(items: Iterable[bytes], held: Collection[str], response_id: str, *, completed: bool) -> Round:
    """What a response with these output items came to."""
    read = [(read_item(raw), raw) for raw in items]
    calls = tuple(held_call(item, raw) for item, raw in read if is_held(item, held)) if completed else ()
    client = tuple(
        item.call_id or item.id or "" for item, _ in read if not is_held(item, held) and is_the_clients(item)
    )
    return Round(calls, client, tuple(raw for _, raw in read) if calls else (), response_id)


def told_response(
    response: bytes, first: dict[str, bytes], output: Iterable[bytes], usage_before: dict[str, Any]
) -> bytes:
    """The last response as the client gets it: of the first one's name, with the output and the usage of all."""
    put = dict(first)
    told = read_response(response)
    if told.output is not None:
        put["output"] = array(output)
    if usage := members(told.usage):
        put["usage"] = msgspec.json.encode(added(usage_before, usage))
    return edited(response, put)


@dataclass(slots=True)
class _Told:
    """An output item that is being told."""

    shown_as: int | None
    """Its index for the client; None while it is held back."""
    raw: bytes = b""
    """It, once it is done."""


class ResponsesStream(StreamTurn):
    """See `Turn`."""

    def __init__(self, held: Collection[str]) -> None:
        """Take the names of the tools whose calls are held back."""
        super().__init__()
        self._held = held
        self._later = False
        self._first: dict[str, bytes] = {}
        self._before: dict[str, Any] = {}
        self._output: list[bytes] = []
        self._shown = 0
        self._sequence = 0
        self._shift: int | None = 0
        self._start()

    def _start(self) -> None:
        self._items: dict[int, _Told] = {}
        self._response = b""
        self._status = ""
        self._response_id = ""

    def _reset(self) -> None:
        self._output += self._shown_items()
        self._before = added(self._before, members(read_response(self._response).usage))
        self._later = True
        self._shift = None
        self._start()

    def _round(self) -> Round:
        return round_of(self._done(), self._held, self._response_id, completed=self._status in _COMPLETED)

    def _done(self) -> list[bytes]:
        """The items of the present answer; those that had no events of their own are in the response."""
        done = [told.raw for _, told in sorted(self._items.items()) if told.raw]
        return done or [bytes(raw) for raw in read_response(self._response).output or ()]

    def _shown_items(self) -> list[bytes]:
        return [raw for raw in self._done() if not is_held(read_item(raw), self._held)]

    def _tell(self, event: RawEvent) -> bytes:
        told = _EVENT.read(event.data) if event.data else None
        if told is None:
            return event.block
        kind = told.type or event.name.decode("utf-8", "replace")
        if kind in _OPENING:
            return self._open(event, told)
        if kind in _CLOSING:
            self._response, self._status = bytes(told.response), kind
            self._response_id = self._response_id or read_response(self._response).id or ""
            self._first = self._first or of_the_first(self._response)
            self.finished = True
            self.close()
            return b""
        if told.output_index is None:
            return self._told(event, told, {})
        return self._in_item(event, told, kind, told.output_index)

    def _open(self, event: RawEvent, told: _Event) -> bytes:
        response = bytes(told.response)
        self._response_id = self._response_id or read_response(response).id or ""
        if self._later:
            return self._swallowed(told)
        self._first = self._first or of_the_first(response)
        return self._told(event, told, {})

    def _in_item(self, event: RawEvent, told: _Event, kind: str, index: int) -> bytes:
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = self._begin_item(told, index)
        if kind == "response.output_item.done":
            item.raw = self.keep(bytes(told.item))
        if item.shown_as is None:
            return self._swallowed(told)
        return self._told(event, told, {"output_index": b"%d" % item.shown_as} if item.shown_as != index else {})

    def _begin_item(self, told: _Event, index: int) -> _Told:
        if told.item is not _NONE and is_held(read_item(told.item), self._held):
            self.changed = True
            return _Told(None)
        shown_as = self._shown if self.changed else index
        self._shown = shown_as + 1
        return _Told(shown_as)

    def _swallowed(self, told: _Event) -> bytes:
        if told.sequence_number is not None:
            self._shift = self._shift_from(told.sequence_number) - 1
        return b""

    def _shift_from(self, sequence: int) -> int:
        """By how much the client's numbers differ; those of a later answer go on where the one before stopped."""
        return self._sequence - sequence if self._shift is None else self._shift

    def _told(self, event: RawEvent, told: _Event, put: dict[str, bytes]) -> bytes:
        if told.sequence_number is not None:
            self._shift = self._shift_from(told.sequence_number)
            shown = told.sequence_number + self._shift
            self._sequence = shown + 1
            if self._shift:
                put = put | {"sequence_number": b"%d" % shown}
        return event.with_data(edited(event.data, put)) if put else event.block

    def _closed(self, event: RawEvent) -> bytes:
        told = _EVENT.read(event.data) if event.data else None
        if told is None:
            return event.block
        if (told.type or event.name.decode("utf-8", "replace")) not in _CLOSING:
            return self._told(event, told, {})
        response = told_response(bytes(told.response), self._first, self._output + self._shown_items(), self._before)
        return self._told(event, told, {"response": response})
