"""Entries that the store will never take: one a line, as JSON, beside the journal, for a person to look at."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

NAME = "rejected.jsonl"


class _Line(msgspec.Struct):
    seq: int
    reason: str
    records: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def add(folder: Path, seq: int, reason: str, body: bytes) -> None:
    """Set an entry aside for good.

    Raises:
        OSError: it cannot be written.

    """
    try:
        records = msgspec.Raw(_encode(msgspec.json.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        records = msgspec.Raw(_encode(body.decode("utf-8", "replace")))
    file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(file).st_size
        line = _encode(_Line(seq, reason, records)) + b"\n"
        if os.write(file, line) != len(line):
            os.ftruncate(file, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    finally:
        os.close(file)


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """What was set aside: `seq`, `reason` and `records`. A line that a full disk cut is passed over."""
    seen: set[int] = set()
    try:
        content = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return
    for line in content.splitlines():
        try:
            found = _decode(line)
        except msgspec.DecodeError:
            continue
        if found.seq not in seen:
            seen.add(found.seq)
            yield {"seq": found.seq, "reason": found.reason, "records": msgspec.json.decode(found.records)}
