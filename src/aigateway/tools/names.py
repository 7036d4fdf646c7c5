"""What a model calls a tool: within what every provider takes, and the same every time."""

from __future__ import annotations

import hashlib
import re

from aigateway.tools.offer import PREFIX

LONGEST = 64
"""Characters that every provider takes."""
_MARK = 8
_REFUSED = re.compile(r"[^a-zA-Z0-9_-]")


def model_name(server: str, tool: str) -> str:
    """`bmcp_<server>_<tool>` where providers take that; else as much of it as they take, and a mark."""
    plain = f"{PREFIX}{server}_{tool}"
    return plain if len(plain) <= LONGEST and not _REFUSED.search(plain) else marked_name(server, tool)


def marked_name(server: str, tool: str) -> str:
    """A name that no other tool has: its mark is made of the server's name and the tool's."""
    mark = hashlib.sha256(f"{server}\0{tool}".encode()).hexdigest()[:_MARK]
    safe = _REFUSED.sub("_", f"{PREFIX}{server}_{tool}")
    return f"{safe[: LONGEST - _MARK - 1]}_{mark}"
