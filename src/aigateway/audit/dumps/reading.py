"""Reading dumps again, for people: decoded, split into events, and masked where the file could not be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aigateway.audit.dumps import naming
from aigateway.audit.dumps.layout import pretty, split_note
from aigateway.audit.dumps.masking import Masker
from aigateway.wire.encodings import Decoder, Undecodable
from aigateway.wire.sse import Event, SseSplitter

_LARGEST_DECODED = 256 * 1024 * 1024
_STEP = 64 * 1024
_NAME = re.compile(r"(\d{10,16})-(.+)")


class NotADump(Exception):
    """The path names no dump. The sentence says what to name."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response."""

    start_line: str
    headers: list[tuple[str, str]]
    body: bytes
    """Decoded, JSON with two spaces of indentation; empty when `events` holds it."""
    events: list[Event] = field(default_factory=list)
    """A stream's, in order."""
    note: str = ""
    """Why it is not whole; empty when it is."""

    def header(self, name: str) -> str:
        """The first value of a header, or empty."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Dump:
    """What was sent once, and what came back, so far as there are files."""

    stem: Path
    """The path without suffix."""
    request: Message | None
    response: Message | None
    error: str
    """Why no response came; empty when one did, or none yet."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A dump in a folder, told without reading it."""

    stem: Path
    started_at: datetime
    provider: str
    model: str
    """`passthrough` for what passed through."""
    id: str
    """The interception, or the path of what passed through."""
    size: int
    """Bytes of all its files."""
    has_response: bool


def read(path: Path) -> Dump:
    """Read the dump that a file is of, or that is called so without a suffix.

    Raises:
        NotADump: there is none.
        OSError: a file cannot be read.

    """
    stem = _stem(path)
    texts = {suffix: _bytes(Path(f"{stem}{suffix}")) for suffix in naming.SUFFIXES}
    request, response, error = (texts[suffix] for suffix in naming.SUFFIXES)
    if request is None and response is None and error is None:
        raise NotADump(f"{path} is no dump. Name a .req.txt or a .resp.txt file, see: aigateway dumps list")
    return Dump(
        stem,
        None if request is None else _message(request),
        None if response is None else _message(response),
        (error or b"").decode("utf-8", "replace").strip(),
    )


def find(folder: Path) -> list[Listed]:
    """The dumps in a folder, the oldest first."""
    files: dict[Path, dict[str, Path]] = {}
    for suffix in naming.SUFFIXES:
        for path in folder.glob(f"*/*/*{suffix}"):
            files.setdefault(_stem(path), {})[suffix] = path
    listed = (_listed(stem, of_stem) for stem, of_stem in files.items())
    return sorted((dump for dump in listed if dump is not None), key=lambda dump: (dump.started_at, dump.id))


def _listed(stem: Path, files: dict[str, Path]) -> Listed | None:
    match = _NAME.fullmatch(stem.name)
    if match is None:
        return None
    try:
        size = sum(path.stat().st_size for path in files.values())
    except FileNotFoundError:  # removed just now
        return None
    return Listed(
        stem=stem,
        started_at=datetime.fromtimestamp(int(match[1]) / 1000, UTC),
        provider=stem.parent.parent.name,
        model=stem.parent.name,
        id=match[2],
        size=size,
        has_response=naming.RESPONSE in files,
    )


def _stem(path: Path) -> Path:
    for suffix in naming.SUFFIXES:
        if path.name.endswith(suffix):
            return path.with_name(path.name.removesuffix(suffix))
    return path


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _message(text: bytes) -> Message:
    head, _, body = text.partition(b"\r\n\r\n")
    body, note = split_note(body)
    start_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    message = Message(start_line, headers, body, note=note)
    if encoding := message.header("content-encoding"):
        body, problem = _decoded(body, encoding)
        body = Masker().whole(body)
        note = note or problem
    if message.header("content-type").split(";")[0].strip().lower() == "text/event-stream":
        splitter = SseSplitter()
        events = splitter.feed(body) + splitter.end()
        return Message(start_line, headers, b"", events, note)
    return Message(start_line, headers, pretty(body.rstrip(b"\n")), note=note)


def _decoded(body: bytes, encoding: str) -> tuple[bytes, str]:
    """What can be decoded of a body that may be cut, and why not all of it."""
    decoded = bytearray()
    try:
        decoder = Decoder(encoding, _LARGEST_DECODED)
        for at in range(0, len(body), _STEP):
            decoded += decoder.feed(body[at : at + _STEP])
    except Undecodable as error:
        return bytes(decoded) or body, str(error)
    return bytes(decoded), ""
