"""The recorder takes facts, gives them ids and times, and appends them to the journal."""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from aigateway.audit import clock
from aigateway.audit.identity import new_id
from aigateway.store.records import (
    AnyRecord,
    InterceptionEnd,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    TokenUsage,
    ToolUsage,
)
from aigateway.wire.facts import AnswerFacts, ClientFacts, RequestFacts, Thought, ToolCall

UNKNOWN_MODEL = "coder-aibridge-unknown"
"""What the record names a model that the request does not name (data-plane spec 7.1)."""
_MAX_ERROR_MESSAGE = 1024


class Subject(msgspec.Struct, frozen=True):
    """Who asks, with whose credential, of which provider, and on what way.

    None of it may be empty but the hint, the token id and the user agent.
    """

    initiator_id: str
    username: str
    api_key_id: str | None
    provider_type: str
    provider_name: str
    credential_kind: str
    credential_hint: str
    user_agent: str
    method: str
    """The HTTP method."""
    route: str
    """The path behind the provider's name: `/v1/messages`."""
    requested_model: str | None = None
    """The model that the client named, where the provider is asked for another one."""

    def __post_init__(self) -> None:
        if not (self.initiator_id and self.username and self.provider_type and self.provider_name and self.route):
            raise ValueError("an interception needs an initiator, a provider and a route")
        if self.credential_kind not in ("centralized", "byok"):
            raise ValueError(f"no such credential kind: {self.credential_kind}")


class Outcome(msgspec.Struct, frozen=True):
    """What came of a request (decision 14)."""

    status_code: int | None
    error_type: str | None = None
    error_message: str | None = None
    response_bytes: int = 0
    time_to_first_byte_ms: int | None = None
    credential_hint: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A tool that the gateway called for the model, and what came of it."""

    response_id: str
    call_id: str
    item_id: str | None
    tool: str
    """Its own name at its server."""
    arguments: str
    server_url: str
    server: str
    duration_ms: int
    error: str | None
    """Why it failed, in its server's words or in ours."""


Noticed = Callable[[AnswerFacts | Invocation, Future[None]], None]
"""Is told what goes on record before an interception ends, and gets the future that is done once it is on record."""

Ending = Callable[[Outcome, AnswerFacts | None, Future[None]], None]
"""Is told how an interception ended, and gets the future that is done once that is on record; must not raise."""


class Keeps(Protocol):
    """Keeps rows: the journal, or another around it."""

    def append(self, records: Sequence[AnyRecord]) -> Future[None]:
        """Keep the rows of one interception; the future is done once they are. It may raise `JournalUnavailable`."""


class Interception:
    """One request on record. It has begun; `close` ends it, once."""

    closed = False
    _endings: tuple[Ending, ...] = ()
    _noticing: tuple[Noticed, ...] = ()

    def __init__(self, journal: Keeps, interception_id: str, started: Future[None], began: float) -> None:
        self.id = interception_id
        self.started = started
        """Done when the start is durably on record; raises `JournalUnavailable` when it cannot be."""
        self._journal = journal
        self._began = began

    def elapsed_ms(self) -> int:
        """Milliseconds since the request was accepted."""
        return round((time.monotonic() - self._began) * 1000)

    def on_close(self, tell: Ending) -> None:
        """Let somebody know when it ends."""
        self._endings += (tell,)

    def on_notice(self, tell: Noticed) -> None:
        """Let somebody know what goes on record before the end; must not raise."""
        self._noticing += (tell,)

    def answered(self, facts: AnswerFacts) -> Future[None]:
        """Put what an inner answer used and did on record: one after which the request goes on."""
        rows = _answer_rows(self.id, facts, clock.now())
        return self._note(facts, rows)

    def invoked(self, invocation: Invocation) -> Future[None]:
        """Put a call of the gateway's own on record."""
        return self._note(invocation, [_invocation_row(self.id, invocation, clock.now())])

    def _note(self, what: AnswerFacts | Invocation, rows: Sequence[AnyRecord]) -> Future[None]:
        committed = self._journal.append(rows)
        for tell in self._noticing:
            tell(what, committed)
        return committed

    def close(self, outcome: Outcome, facts: AnswerFacts | None) -> Future[None]:
        """Put what the answer used and did, and the end, on record in one commit; the future is done when it is."""
        self.closed = True
        now = clock.now()
        records = _answer_rows(self.id, facts, now) if facts is not None else []
        message = outcome.error_message
        records.append(
            InterceptionEnd(
                interception_id=self.id,
                ended_at=now,
                status_code=outcome.status_code,
                error_type=outcome.error_type,
                error_message=message[:_MAX_ERROR_MESSAGE] if message else None,
                duration_ms=self.elapsed_ms(),
                time_to_first_byte_ms=outcome.time_to_first_byte_ms,
                response_bytes=outcome.response_bytes,
                credential_hint=outcome.credential_hint,
                metadata=outcome.metadata,
            )
        )
        committed = self._journal.append(records)
        for tell in self._endings:
            tell(outcome, facts, committed)
        return committed


def typed_prompt(request: RequestFacts, client: ClientFacts) -> str | None:
    """What a person typed; None for what a sub-agent asks, since the model that called it wrote that."""
    return None if client.sub_agent else request.prompt


class Records(Protocol):
    """Opens interceptions: the recorder, or another around it."""

    def open(self, subject: Subject, request: RequestFacts, client: ClientFacts, request_bytes: int) -> Interception:
        """Put the start and the prompt of a request on record, without waiting for the commit."""


class Recorder:
    """Opens interceptions."""

    def __init__(self, journal: Keeps) -> None:
        self._journal = journal

    def open(self, subject: Subject, request: RequestFacts, client: ClientFacts, request_bytes: int) -> Interception:
        """Put the start and the prompt of a request on record, without waiting for the commit."""
        interception_id = new_id()
        began = time.monotonic()
        now = clock.now()
        metadata: dict[str, Any] = {"request_user_agent": subject.user_agent, "username": subject.username}
        if client.metadata:
            metadata.update(client.metadata)
        if request.purpose:
            metadata["purpose"] = request.purpose
        if request.previous_response_id:
            metadata["previous_response_id"] = request.previous_response_id
        if subject.requested_model:
            metadata["requested_model"] = subject.requested_model
        records: list[AnyRecord] = [
            InterceptionStart(
                interception_id=interception_id,
                initiator_id=subject.initiator_id,
                api_key_id=subject.api_key_id,
                provider=subject.provider_type,
                provider_name=subject.provider_name,
                model=request.model or UNKNOWN_MODEL,
                client=client.client,
                client_session_id=client.session_id,
                correlating_tool_call_id=request.correlating_tool_call_id,
                credential_kind=subject.credential_kind,
                credential_hint=subject.credential_hint,
                streaming=request.streaming,
                request_bytes=request_bytes,
                started_at=now,
                metadata=metadata,
            )
        ]
        if (prompt := typed_prompt(request, client)) is not None:
            records.append(
                PromptUsage(
                    interception_id=interception_id,
                    id=new_id(),
                    msg_id="",
                    prompt=prompt,
                    created_at=now,
                )
            )
        return Interception(self._journal, interception_id, self._journal.append(records), began)


def _answer_rows(interception_id: str, facts: AnswerFacts, now: str) -> list[AnyRecord]:
    rows: list[AnyRecord] = []
    partial = {} if facts.complete else {"partial": True}
    if (usage := facts.usage) is not None:
        rows.append(
            TokenUsage(
                interception_id=interception_id,
                id=new_id(),
                msg_id=usage.response_id,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_input_tokens=usage.cache_read_input_tokens,
                cache_write_input_tokens=usage.cache_write_input_tokens,
                created_at=now,
                metadata=usage.extra | usage.metadata | partial,
            )
        )
    if facts.tool_calls:
        rows.extend([_tool_row(interception_id, call, now, partial) for call in facts.tool_calls])
    if facts.thoughts:
        rows.extend([_thought_row(interception_id, thought, now, partial) for thought in facts.thoughts])
    return rows


def _thought_row(interception_id: str, thought: Thought, now: str, partial: dict[str, bool]) -> ModelThought:
    return ModelThought(
        interception_id=interception_id,
        id=new_id(),
        msg_id=thought.response_id,
        content=thought.content,
        created_at=now,
        metadata={"source": thought.source, **partial},
    )


def _tool_row(interception_id: str, call: ToolCall, now: str, partial: dict[str, bool]) -> ToolUsage:
    return ToolUsage(
        interception_id=interception_id,
        id=new_id(),
        msg_id=call.response_id,
        tool_call_id=call.call_id or None,
        item_id=call.item_id,
        tool=call.name,
        input=call.arguments,
        server_url=call.server_url,
        created_at=now,
        metadata={"executor": call.executor.value, **partial},
    )


def _invocation_row(interception_id: str, call: Invocation, now: str) -> ToolUsage:
    return ToolUsage(
        interception_id=interception_id,
        id=new_id(),
        msg_id=call.response_id,
        tool_call_id=call.call_id or None,
        item_id=call.item_id,
        tool=call.tool,
        input=call.arguments,
        server_url=call.server_url,
        injected=True,
        invocation_error=call.error[:_MAX_ERROR_MESSAGE] if call.error else None,
        created_at=now,
        metadata={"executor": "gateway", "duration_ms": call.duration_ms, "server": call.server},
    )
