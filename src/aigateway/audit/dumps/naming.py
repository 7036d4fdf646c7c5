"""Where a dump is kept (control-plane spec 1.7). Models and paths are hostile: no name leads out of its folder."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

REQUEST = ".req.txt"
RESPONSE = ".resp.txt"
REQUEST_ERROR = ".req_error.txt"
"""Instead of a response, when none came."""
SUFFIXES = (REQUEST, RESPONSE, REQUEST_ERROR)

_LONGEST_NAME = 180
"""Bytes of UTF-8: what file systems take is 255, and times, ids and suffixes are still to come."""


def intercepted(folder: Path, provider: str, model: str, unix_ms: int, interception_id: str) -> Path:
    """The files of an intercepted request, without suffix: `<provider>/<model>/<unix ms>-<interception id>`."""
    return folder / safe_name(provider) / safe_name(model) / f"{unix_ms}-{interception_id}"


def passed_through(folder: Path, provider: str, path: str, unix_ms: int) -> Path:
    """The files of a request that passed through: `<provider>/passthrough/<unix ms>-<path>-<4 hex digits>`."""
    name = safe_name(path.removeprefix("/"))
    return folder / safe_name(provider) / "passthrough" / f"{unix_ms}-{name}-{secrets.token_hex(2)}"


def safe_name(text: str) -> str:
    """One name that any file system takes, with dashes for slashes; one that had to be cut ends in a digest."""
    name = "".join(sign if sign.isprintable() and sign not in "/\\" else "-" for sign in text[:_LONGEST_NAME])
    if not name.strip("."):
        name = f"_{name}"
    encoded = name.encode()
    if len(encoded) <= _LONGEST_NAME and len(text) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{encoded[:_LONGEST_NAME].decode('utf-8', 'ignore')}~{digest}"
