"""What a server answered to a call, as those who know no MCP take it."""

from __future__ import annotations

import msgspec
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from aigateway.tools import offer
from aigateway.tools.offer import Content, OtherContent, Text, ToolResult


def result_of(answer: CallToolResult) -> ToolResult:
    """The answer's parts, and the whole of it as compact JSON, without what the protocol itself has to say."""
    whole = answer.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"result_type", "meta"})
    return ToolResult(
        content=tuple(_part(block) for block in answer.content),
        is_error=answer.is_error,
        raw=msgspec.json.encode(whole).decode(),
    )


def _part(block: ContentBlock) -> Content:
    match block:
        case TextContent():
            return Text(block.text)
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return offer.EmbeddedResource(resource.mime_type or "", str(resource.uri), resource.text)
        case EmbeddedResource(resource=BlobResourceContents() as resource):
            return offer.EmbeddedResource(resource.mime_type or "", str(resource.uri), resource.blob)
        case ImageContent():
            return OtherContent("image")
        case AudioContent():
            return OtherContent("audio")
        case ResourceLink():
            return OtherContent("link")
        case _:
            return OtherContent("unknown")
