"""Turns that the client ended: with its results go those that it does not know of.

A client that has calls of its own to answer repeats the model's turn as it was told it. The calls that were held back
and their results are put beside its own, by splicing; what it sent stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.pieces import RAW_LIST, UNREADABLE
from aigateway.wire.lenient import Reader
from aigateway.wire.splice import JsonObject, Unspliceable

_NONE = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A call and its result, as a request has them."""

    call: bytes
    result: bytes
    last: bool
    """Whether it belongs to the answer that the client's own calls are in."""


@dataclass(frozen=True, slots=True)
class MixedTurn:
    """What a client does not know of a turn that it has to go on with."""

    client_calls: tuple[str, ...]
    """Ids, by which the turn is found again."""
    held: tuple[HeldBack, ...]

    def __post_init__(self) -> None:
        if not self.client_calls or not all(self.client_calls):
            raise ValueError("a turn is the client's by calls that have ids")

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(held.call) + len(held.result) for held in self.held)


class _Part(msgspec.Struct):
    """A block, an entry of `tool_calls`, a message or an item."""

    type: str = ""
    role: str = ""
    id: str = ""
    call_id: str = ""
    tool_use_id: str = ""
    tool_call_id: str = ""
    content: msgspec.Raw = _NONE
    tool_calls: msgspec.Raw = _NONE


_PART = Reader(_Part)


def joined(api: ApiFormat, body: bytes, turns: Sequence[MixedTurn]) -> bytes:
    """The request with what it does not know of these turns; as it is where it does not go on with them."""
    for turn in turns:
        body = _joined(api, body, turn)
    return body


def going_on_from(body: bytes, known: str, really: str) -> bytes:
    """A Responses request that names the response it knows, made to name the one that came of it."""
    try:
        request = JsonObject(body)
    except Unspliceable:
        return body
    if request.value("previous_response_id") != known:
        return body
    return request.splice(put={"previous_response_id": msgspec.json.encode(really)})


def _joined(api: ApiFormat, body: bytes, turn: MixedTurn) -> bytes:
    try:
        request = JsonObject(body)
    except Unspliceable:
        return body
    key = "input" if api is ApiFormat.RESPONSES else "messages"
    elements = list(_parts(request.raw(key)))
    call, result = _places(api, elements, frozenset(turn.client_calls))
    if result is None:
        return body
    spliced = request.raw(key) or b""
    if api is ApiFormat.RESPONSES:
        if call is None:
            outputs = [held.result for held in turn.held if held.last]
            spliced = _before(spliced, result, outputs)
        else:
            spliced = _before(spliced, call, [part for held in turn.held for part in (held.call, held.result)])
    elif call is None:
        return body
    else:
        spliced = _before(spliced, call, [held.call for held in turn.held])
        spliced = _before(spliced, result, [held.result for held in turn.held])
    return request.splice(put={key: spliced})


def _places(
    api: ApiFormat, elements: list[tuple[_Part, bytes]], ids: frozenset[str]
) -> tuple[bytes | None, bytes | None]:
    """The first of the client's calls, and the first of its results."""
    call = result = None
    for element, raw in elements:
        if api is ApiFormat.RESPONSES:
            calls = [(element.call_id, raw)] if not element.type.endswith("_output") else []
            results = [(element.call_id, raw)] if element.type.endswith("_output") else []
        elif api is ApiFormat.CHAT:
            calls = [(part.id, found) for part, found in _parts(element.tool_calls)]
            results = [(element.tool_call_id, raw)]
        else:
            blocks = list(_parts(element.content))
            calls = [(part.id, found) for part, found in blocks if part.type == "tool_use"]
            results = [(part.tool_use_id, found) for part, found in blocks if part.type == "tool_result"]
        call = call or next((found for name, found in calls if name in ids), None)
        result = result or next((found for name, found in results if name in ids), None)
    return call, result


def _parts(raw: bytes | msgspec.Raw | None) -> Iterator[tuple[_Part, bytes]]:
    if not raw:
        return
    try:
        elements = RAW_LIST.decode(raw)
    except UNREADABLE:
        return
    for element in elements:
        yield _PART.read(element) or _Part(), bytes(element)


def _before(text: bytes, place: bytes, more: Sequence[bytes]) -> bytes:
    return text.replace(place, b",".join((*more, place)), 1) if more else text
