"""Which headers may carry who asks to a provider (control-plane spec 1.6)."""

from __future__ import annotations

import re

ACTOR_PREFIX = "x-ai-bridge-actor"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)
"""A field name of RFC 9110 section 5.1, of a sensible length."""
_RESERVED = frozenset(
    {
        "authorization",
        "x-api-key",
        "api-key",
        "cookie",
        "set-cookie",
        "host",
        "user-agent",
        "content-length",
        "content-type",
        "content-encoding",
        "accept-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "forwarded",
        "x-real-ip",
        "coder-session-token",
    }
)
_RESERVED_PREFIXES = ("x-forwarded-", "proxy-", "x-coder-ai-governance-", "x-coder-agent-firewall-", ACTOR_PREFIX)


def read_header_name(text: str, default: str) -> str | None:
    """Read the name of a header that the gateway sets; an empty one is none.

    Args:
        text: as the operator wrote it.
        default: the attribute's own name, the only one that may begin with `X-AI-Bridge-Actor`.

    Raises:
        ValueError: with what to do, when no header can have the name, or when it means something else already.
    """
    name = text.strip()
    if not name:
        return None
    if not _TOKEN.fullmatch(name):
        raise ValueError("not the name of a header; write letters, digits and hyphens, for example X-Actor-Id")
    lowered = name.lower()
    if lowered in _RESERVED or (lowered.startswith(_RESERVED_PREFIXES) and lowered != default.lower()):
        raise ValueError(f"a header that has a meaning of its own; choose another name, for example {default}")
    return name
