"""Traces in OpenTelemetry's form, sent by OTLP over HTTP: every name of a span and of an attribute, and where they go.

Importing this module takes a tenth of a second, so only `--trace` does it (data-plane spec 21, control-plane spec 8.4).
A trace begins at the gateway: a client's `traceparent` is not taken as the parent, since whoever sends it could put
spans into somebody else's trace, or have each of their requests traced.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Tracer

from aigateway import __version__
from aigateway.settings.model import TracingSettings
from aigateway.telemetry.logging import get_logger

SERVICE: Final = "coder-ai-gateway"

INTERCEPT: Final = "Intercept"
CREATE_INTERCEPTOR: Final = "Intercept.CreateInterceptor"
PROCESS_REQUEST: Final = "Intercept.ProcessRequest"
UPSTREAM: Final = "Intercept.ProcessRequest.Upstream"
TOOL_CALL: Final = "Intercept.ProcessRequest.ToolCall"
RECORD_INTERCEPTION: Final = "Intercept.RecordInterception"
RECORD_PROMPT_USAGE: Final = "Intercept.RecordPromptUsage"
RECORD_TOKEN_USAGE: Final = "Intercept.RecordTokenUsage"  # noqa: S105 - the name of a span
RECORD_TOOL_USAGE: Final = "Intercept.RecordToolUsage"
RECORD_MODEL_THOUGHT: Final = "Intercept.RecordModelThought"
RECORD_INTERCEPTION_ENDED: Final = "Intercept.RecordInterceptionEnded"
PASSTHROUGH: Final = "Passthrough"

REQUEST_PATH: Final = "request_path"
INTERCEPTION_ID: Final = "interception_id"
USER_ID: Final = "user_id"
PROVIDER: Final = "provider"
MODEL: Final = "model"
STREAMING: Final = "streaming"
AWS_BEDROCK: Final = "aws_bedrock"
"""Of Messages only."""
PASSTHROUGH_URL: Final = "passthrough_url"
MCP_TOOL_NAME: Final = "mcp_tool_name"
MCP_SERVER_NAME: Final = "mcp_server_name"
MCP_SERVER_URL: Final = "mcp_server_url"
PASSTHROUGH_UPSTREAM_URL: Final = "passthrough_upstream_url"
PASSTHROUGH_METHOD: Final = "passthrough_method"

_HONEYCOMB_ENDPOINT = "https://api.honeycomb.io/v1/traces"
_HONEYCOMB_KEY_HEADER = "x-honeycomb-team"
_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HEADER_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

_log = get_logger("tracing")


class Tracing:
    """Where spans are made, and where they go. Spans that cannot be sent are dropped; requests never wait for them."""

    def __init__(self, exporters: Sequence[SpanExporter]) -> None:
        # Nothing of the host is looked up and nothing global is set: OTEL_RESOURCE_ATTRIBUTES adds what is wanted.
        resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))

    @property
    def tracer(self) -> Tracer:
        """Makes spans."""
        return self._provider.get_tracer("aigateway", __version__)

    async def stop(self, *, within_seconds: float) -> None:
        """Send what waits, within the time given."""
        # A thread of its own: the SDK waits for a collector that is away for as long as it likes.
        stopping = threading.Thread(target=self._provider.shutdown, name="tracing-stop", daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, within_seconds)
        if stopping.is_alive():
            _log.warning("the last spans could not be sent in time", seconds=within_seconds)


def exporters_for(settings: TracingSettings) -> list[SpanExporter]:
    """Give the exporters that the settings and the `OTEL_EXPORTER_OTLP_*` variables name.

    A Honeycomb key sends traces there, and only there unless an endpoint is named as well.
    """
    protocol = next((os.environ[name] for name in _PROTOCOL_VARIABLES if os.environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        _log.warning(
            "traces are sent by OTLP over HTTP (http/protobuf), whatever OTEL_EXPORTER_OTLP_PROTOCOL says; "
            "let the endpoint be the collector's HTTP port, usually 4318",
            protocol=protocol,
        )
    exporters: list[SpanExporter] = []
    if settings.honeycomb_api_key is not None:
        # The headers of the environment are another collector's, and may hold its key.
        with _without(_HEADER_VARIABLES):
            key = {_HONEYCOMB_KEY_HEADER: settings.honeycomb_api_key.reveal()}
            exporters.append(OTLPSpanExporter(endpoint=_HONEYCOMB_ENDPOINT, headers=key))
    if not exporters or any(os.environ.get(name) for name in _ENDPOINT_VARIABLES):
        exporters.append(OTLPSpanExporter())
    return exporters


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    hidden = {name: value for name in names if (value := os.environ.pop(name, None)) is not None}
    try:
        yield
    finally:
        os.environ.update(hidden)
