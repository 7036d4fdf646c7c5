"""Tracing requests: an interceptor, a passthrough, a recorder and a transport around the real ones.

They know of each other by a context variable, so that the steps between them need not know that anybody traces.
"""

from __future__ import annotations

import time
from asyncio import Future
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from aigateway.audit.recorder import (
    UNKNOWN_MODEL,
    Interception,
    Invocation,
    Outcome,
    Records,
    Subject,
    typed_prompt,
)
from aigateway.gateway.client import Client
from aigateway.gateway.intercept import Intercepts
from aigateway.gateway.passthrough import PassesThrough
from aigateway.gateway.refusal import Refusal
from aigateway.gateway.request import Request
from aigateway.gateway.transport import Transport
from aigateway.providers.upstream import UpstreamAnswer, UpstreamRequest
from aigateway.telemetry import tracing
from aigateway.telemetry.entry import Entry
from aigateway.telemetry.labels import printable
from aigateway.wire.facts import AnswerFacts, ApiFormat, ClientFacts, RequestFacts

_MOST_RECORD_SPANS = 100
"""Of one kind and one interception."""

_OUTSIDE = Context()
"""No parent: what the client says is not taken."""


class _Trace:
    """The spans of one intercepted request."""

    def __init__(self, tracer: Tracer, request: Request, api: ApiFormat) -> None:
        provider = request.route.provider
        self._tracer = tracer
        self._attributes: dict[str, AttributeValue] = {
            tracing.REQUEST_PATH: f"/{provider.name}{provider.routes.prefix}{request.route.path}",
            tracing.USER_ID: request.actor.user_id,
            tracing.PROVIDER: provider.name,
        }
        if api is ApiFormat.MESSAGES:
            self._attributes[tracing.AWS_BEDROCK] = bool(provider.signers)
        self._root = tracer.start_span(tracing.INTERCEPT, _OUTSIDE, attributes=self._attributes)
        self._inside = set_span_in_context(self._root, _OUTSIDE)
        self._creating: Span | None = self._child(tracing.CREATE_INTERCEPTOR)
        self._processing: Span | None = None

    @property
    def recording(self) -> bool:
        """False when this request is not one of the sample."""
        return self._root.is_recording()

    def opened(self, interception: Interception, request: RequestFacts, *, prompted: bool, since_ns: int) -> None:
        """The request is understood, and on its way to the record."""
        known: dict[str, AttributeValue] = {
            tracing.INTERCEPTION_ID: interception.id,
            tracing.MODEL: printable(request.model or UNKNOWN_MODEL),
            tracing.STREAMING: request.streaming,
        }
        self._attributes |= known
        for span in (self._root, self._creating):
            if span is not None:
                span.set_attributes(known)
        self._end(self._creating)
        self._creating = None
        kinds = [tracing.RECORD_INTERCEPTION, *([tracing.RECORD_PROMPT_USAGE] if prompted else [])]
        self._recording(kinds, since_ns, interception.started)
        self._processing = self._child(tracing.PROCESS_REQUEST)
        interception.on_close(self.closed)
        interception.on_notice(self.noticed)

    def closed(self, outcome: Outcome, facts: AnswerFacts | None, committed: Future[None]) -> None:
        """The request is over, and the rest of it on its way to the record."""
        if outcome.error_type is not None:
            self.failed(outcome.error_type)
        kinds = [tracing.RECORD_INTERCEPTION_ENDED, *(_kinds_of(facts) if facts is not None else ())]
        self._recording(kinds, time.time_ns(), committed)

    def noticed(self, what: AnswerFacts | Invocation, committed: Future[None]) -> None:
        """An inner answer is over, or a call of the gateway's, and on its way to the record."""
        now = time.time_ns()
        if isinstance(what, AnswerFacts):
            self._recording(_kinds_of(what), now, committed)
            return
        span = self._child(tracing.TOOL_CALL, self._processing, since_ns=now - what.duration_ms * 1_000_000)
        span.set_attributes(
            {
                tracing.MCP_TOOL_NAME: printable(what.tool),
                tracing.MCP_SERVER_NAME: what.server,
                tracing.MCP_SERVER_URL: what.server_url,
            }
        )
        if what.error is not None:
            span.set_status(StatusCode.ERROR, "invocation_error")
        span.end()
        self._recording([tracing.RECORD_TOOL_USAGE], now, committed)

    def call(self) -> Span:
        """Begin a call of the provider."""
        return self._child(tracing.UPSTREAM, self._processing)

    def note(self, entry: Entry) -> None:
        """Add a log entry as an event of what is going on."""
        fields = {name: printable(str(value)) for name, value in entry.fields.items()}
        span = self._creating or self._processing or self._root
        if span.is_recording():  # what was started by the request may outlive it
            span.add_event(entry.message, {"level": entry.level, "logger": ".".join(entry.logger_names), **fields})

    def failed(self, reason: str) -> None:
        """Mark what is going on as failed. The reason is a word of ours, never a message: those may quote prompts."""
        for span in (self._creating, self._processing, self._root):
            if span is not None:
                span.set_status(StatusCode.ERROR, reason)

    def end(self) -> None:
        """The request left the gateway."""
        for span in (self._creating, self._processing, self._root):
            self._end(span)

    def _recording(self, kinds: list[str], since_ns: int, committed: Future[None]) -> None:
        spans = [self._child(kind, since_ns=since_ns) for kind in kinds]

        def end(done: Future[None]) -> None:
            lost = done.cancelled() or done.exception() is not None
            for span in spans:
                if lost:
                    span.set_status(StatusCode.ERROR, "journal_unavailable")
                span.end()

        if committed.done():
            end(committed)
        else:
            committed.add_done_callback(end)

    def _child(self, name: str, parent: Span | None = None, *, since_ns: int | None = None) -> Span:
        context = self._inside if parent is None else set_span_in_context(parent, _OUTSIDE)
        return self._tracer.start_span(name, context, attributes=self._attributes, start_time=since_ns)

    @staticmethod
    def _end(span: Span | None) -> None:
        if span is not None:
            span.end()


def _kinds_of(facts: AnswerFacts) -> list[str]:
    """The spans of the rows of one answer."""
    kinds = [tracing.RECORD_TOKEN_USAGE] * (facts.usage is not None)
    kinds += [tracing.RECORD_TOOL_USAGE] * min(len(facts.tool_calls), _MOST_RECORD_SPANS)
    return kinds + [tracing.RECORD_MODEL_THOUGHT] * min(len(facts.thoughts), _MOST_RECORD_SPANS)


_current: ContextVar[_Trace | None] = ContextVar("trace", default=None)


def note(entry: Entry) -> None:
    """Add a log entry to the request that is being traced here, if there is one (`--trace-logs`)."""
    if (trace := _current.get()) is not None:
        trace.note(entry)


class TracedInterceptor:
    """Makes the span of an intercepted request."""

    def __init__(self, inner: Intercepts, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def run(self, request: Request, api: ApiFormat, client: Client) -> None:
        """Serve one request."""
        trace = _Trace(self._tracer, request, api)
        token = _current.set(trace if trace.recording else None)
        try:
            await self._inner.run(request, api, client)
        except BaseException as error:
            trace.failed(_word(error))
            raise
        finally:
            _current.reset(token)
            trace.end()


class TracedRecorder:
    """Makes the spans of the records, each of which ends when it is durable."""

    def __init__(self, inner: Records) -> None:
        self._inner = inner

    def open(self, subject: Subject, request: RequestFacts, client: ClientFacts, request_bytes: int) -> Interception:
        """Open the interception."""
        since_ns = time.time_ns()
        interception = self._inner.open(subject, request, client, request_bytes)
        if (trace := _current.get()) is not None:
            prompted = typed_prompt(request, client) is not None
            trace.opened(interception, request, prompted=prompted, since_ns=since_ns)
        return interception


class TracedTransport:
    """Makes the spans of calls of a provider: from the request to the answer's headers, one for each try."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Send the request."""
        if (trace := _current.get()) is None:
            return await self._inner.send(request)
        span = trace.call()
        try:
            return await self._inner.send(request)
        except BaseException as error:
            span.set_status(StatusCode.ERROR, _word(error))
            raise
        finally:
            span.end()

    async def close(self) -> None:
        """Close every connection."""
        await self._inner.close()


class TracedPassThrough:
    """Makes the span of a request that passes through."""

    def __init__(self, inner: PassesThrough, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def run(self, request: Request, client: Client) -> None:
        """Serve one request. Its query stays out of the trace: some providers take keys there."""
        route = request.route
        attributes: dict[str, AttributeValue] = {
            tracing.PASSTHROUGH_URL: route.path,
            tracing.PASSTHROUGH_UPSTREAM_URL: route.provider.url(route.path, ""),
            tracing.PASSTHROUGH_METHOD: request.method,
        }
        span = self._tracer.start_span(tracing.PASSTHROUGH, _OUTSIDE, attributes=attributes)
        try:
            await self._inner.run(request, client)
        except BaseException as error:
            span.set_status(StatusCode.ERROR, _word(error))
            raise
        finally:
            span.end()


def _word(error: BaseException) -> str:
    return error.error_type if isinstance(error, Refusal) else type(error).__name__
