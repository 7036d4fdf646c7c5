"""Declared edits: the few changes that the gateway makes to messages on purpose (architecture section 1, promise 1).

Everything else goes through byte for byte. A provider decides which edit a request gets, most get none; each edit is
listed in `docs/`, with its reason. An edit belongs to one request, so it may keep what it needs for the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest
from aigateway.wire.facts import RequestFacts


class NotServed(Exception):
    """The provider cannot serve this request. The sentence tells why and what to do; it holds no secret."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status of the refusal."""


class Outgoing(Protocol):
    """Holds back or changes bytes after they were observed: the record sees what the provider said, the client less."""

    @property
    def mid_event(self) -> bool:
        """Whether what the client has of a stream of events ends inside one."""

    def feed(self, data: bytes, /) -> bytes:
        """Take the next bytes, cut anywhere; return what the client may have of them now, perhaps nothing."""

    def end(self) -> bytes:
        """What is still held back and belongs to the client, once the provider's answer has come to its own end."""


class Edit(Protocol):
    """One declared edit of one request and its answer."""

    @property
    def model(self) -> str | None:
        """The model that the provider is really asked for, when it is not the one that the client named."""

    @property
    def outgoing(self) -> Outgoing | None:
        """What stands between the observed answer and the client; None when nothing does.

        Where it changes the length, `to_client` takes `content-length` away.
        """

    def to_upstream(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request as the provider is to get it, all but the signature.

        Called once per request: its place and its headers are set, all but the credential's, which each attempt adds.

        Raises:
            NotServed: the request cannot be edited.

        """

    def instead(self, status: int, request: UpstreamRequest) -> UpstreamRequest | None:
        """What to send anew where the edit itself may be what was answered with this status; None for nothing.

        Called once, with the request as it was before the edit.
        """

    async def to_client(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """The answer as it is observed, on record and (after `outgoing`) relayed.

        It may wait for a short answer to be whole (an error's body), never for a stream. Raises the transport's errors.
        """


EditFor = Callable[[str, RequestFacts | None], Edit | None]
"""The edit for a path behind the routes' prefix, and for what is known of the request; None for most.

The facts are None where the request passes through. Raises `NotServed`.
"""
