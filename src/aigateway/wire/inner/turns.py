"""Which turn an answer begins."""

from __future__ import annotations

from collections.abc import Collection

from aigateway.wire.facts import ApiFormat
from aigateway.wire.inner.chat import ChatStream
from aigateway.wire.inner.chat_body import ChatBody
from aigateway.wire.inner.messages import MessagesStream
from aigateway.wire.inner.messages_body import MessagesBody
from aigateway.wire.inner.responses import ResponsesStream
from aigateway.wire.inner.responses_body import ResponsesBody
from aigateway.wire.inner.turn import Turn


def turn_for(api: ApiFormat, held: Collection[str], *, streams: bool) -> Turn:
    """The turn of an answer that streams, or does not; calls of these names are held back."""
    match api:
        case ApiFormat.CHAT:
            return ChatStream(held) if streams else ChatBody(held)
        case ApiFormat.RESPONSES:
            return ResponsesStream(held) if streams else ResponsesBody(held)
        case ApiFormat.MESSAGES:
            return MessagesStream(held) if streams else MessagesBody(held)
