"""The options for MCP tools, whose servers are set by numbered variables (`tool_servers`)."""

from __future__ import annotations

from aigateway.settings import kinds
from aigateway.settings.kinds import Kind
from aigateway.settings.option import Group, Names, Option


def _option(name: str, field: str, kind: Kind, default: str, text: str) -> Option:
    return Option(
        field=f"tools.{field}",
        names=Names(
            f"--ai-gateway-mcp-{name}",
            f"CODER_AI_GATEWAY_MCP_{name.replace('-', '_').upper()}",
            f"ai_gateway.mcp_{name.replace('-', '_')}",
        ),
        kind=kind,
        default=default,
        help=text,
        group=Group.TOOLS,
    )


TOOL_OPTIONS: tuple[Option, ...] = (
    _option(
        "max-rounds",
        "max_rounds",
        kinds.COUNT,
        "16",
        "How often a model may call tools of MCP servers again within one request, before it is told to stop.",
    ),
    _option(
        "call-timeout",
        "call_timeout",
        kinds.LIFETIME,
        "60s",
        "How long a call of an MCP server's tool may take, before the model is told that it failed.",
    ),
    _option(
        "max-result-size",
        "max_result_size",
        kinds.SIZE,
        "1MiB",
        "The largest answer that is taken from an MCP server.",
    ),
    _option(
        "catalogue-ttl",
        "catalogue_ttl",
        kinds.LIFETIME,
        "5m",
        "How long an MCP server's list of tools is used before it is asked for again, beside requests.",
    ),
)
