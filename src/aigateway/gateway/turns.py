"""What is asked and answered on one socket, on record: each `response.create` is an interception of its own.

A socket's turns are in lanes (`stream_id`); those of one lane are answered one after the other, lanes side by side
(developers.openai.com, "WebSocket mode").
"""

from __future__ import annotations

from collections import deque

from msgspec.structs import replace

from aigateway.audit.recorder import Interception, Records
from aigateway.gateway.request import Request
from aigateway.gateway.subject import subject_of
from aigateway.gateway.witness import Recording
from aigateway.providers.credential import Credential
from aigateway.wire.clients import identify
from aigateway.wire.facts import RequestFacts
from aigateway.wire.request import ASKS, ClientMessage
from aigateway.wire.socket import MessageObserver, head_of

_STEERS = "response.steer"
_BEGINS = "response.created"
_NO_LANE = ""


class _Turn:
    """One request on a socket and its answer."""

    def __init__(self, interception: Interception) -> None:
        self.interception = interception
        # The turn has no HTTP status of its own: what answers is as good as a 200, and says itself what is wrong.
        self.recording = Recording(interception, MessageObserver(), status=200, streaming=True, length=None)
        self._begun = False

    async def take(self, message: bytes) -> None:
        if not self._begun:
            await self.recording.begin()
            self._begun = True
        due = self.recording.piece(message)
        if due is not None:
            await due


class Turns:
    """The turns of one socket."""

    def __init__(self, recorder: Records, opening: Request, credential: Credential) -> None:
        """Take the request that opened the socket: its headers and its sender are those of every turn."""
        self._recorder = recorder
        self._opening = opening
        self._credential = credential
        self._lanes: dict[str, deque[_Turn]] = {}
        self._multiplexed = False
        self._last: ClientMessage | None = None
        self._steering: list[str] = []

    @property
    def open(self) -> bool:
        """Whether an answer is due."""
        return bool(self._lanes)

    def asked(self, message: ClientMessage, size: int) -> None:
        """The client sends a message of that many bytes, and waits for no commit."""
        if message.lane:
            self._multiplexed = True
        if message.kind == _STEERS:
            # What a person types into a running turn is put on record with the response that takes it up.
            if message.facts.prompt:
                self._steering.append(message.facts.prompt)
        elif message.kind == ASKS:
            self._open(message, size)

    async def answered(self, message: bytes) -> None:
        """The provider sends a message: what it says is on record when this returns.

        Raises:
            JournalUnavailable: it cannot be.

        """
        lane = head_of(message).stream_id if self._multiplexed else _NO_LANE
        turns = self._lanes.get(lane) or self._unasked(lane, message)
        if turns is None:
            return
        turn = turns[0]
        try:
            await turn.take(message)
        finally:
            if turn.interception.closed:
                turns.popleft()
                if not turns:
                    del self._lanes[lane]

    def cut(self, error_type: str, message: str) -> list[str]:
        """End every open turn, as far as it got; give the lanes that they were in."""
        lanes = list(self._lanes)
        for turn in (turn for turns in self._lanes.values() for turn in turns):
            turn.recording.cut(error_type, message)
        self._lanes.clear()
        return lanes

    def _unasked(self, lane: str, message: bytes) -> deque[_Turn] | None:
        """A response that no message asked for, such as the one that goes on from a steered one, is a turn as well."""
        if head_of(message).type != _BEGINS:
            return None
        last = self._last or ClientMessage(ASKS, lane, RequestFacts(model=None, streaming=True, prompt=None), {})
        facts = replace(last.facts, prompt=None, correlating_tool_call_id=None, previous_response_id=None, purpose=None)
        self._open(replace(last, lane=lane, facts=facts), 0)
        return self._lanes[lane]

    def _open(self, message: ClientMessage, size: int) -> None:
        facts = message.facts
        if self._steering and facts.prompt is None and facts.purpose is None:
            facts = replace(facts, prompt="\n".join(self._steering))
            self._steering.clear()
        # What the opening of a socket says of its sender, a message may say anew.
        client = identify({**self._opening.headers, **message.headers}, facts)
        client = replace(client, metadata={**client.metadata, "transport": "websocket"})
        interception = self._recorder.open(subject_of(self._opening, self._credential), facts, client, size)
        self._lanes.setdefault(message.lane, deque()).append(_Turn(interception))
        self._last = message
