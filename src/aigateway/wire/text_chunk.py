"""Chunks of a chat that differ from one another in nothing but their text, and so need no reading.

Of a long answer nearly all chunks are such: the same bytes but for one string, and some padding in OpenAI's own. A
string that stands where a string stood changes nothing else in a JSON text; so if one of them held no fact, none does.
"""

from __future__ import annotations

import re
from collections.abc import Callable

OnlyText = Callable[[bytes], bool]
"""Whether a whole event, with the blank line after it, brings text alone: then nobody needs to read it."""

_TEXT = b'"content":"'
_PADDING = b'"obfuscation":"'
_SPACED = (_TEXT.replace(b":", b": "), _PADDING.replace(b":", b": "))
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_string_rest = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"').match
"""A string behind its first quote."""


def never(_block: bytes) -> bool:
    """Before a chunk is known."""
    return False


def chunks_like(data: bytes) -> OnlyText | None:
    """Make what knows chunks like one that is known to bring text alone; None when its text is not found."""
    for text, padding in ((_TEXT, _PADDING), _SPACED):
        place = data.find(text)
        if place < 0:
            continue
        start = place + len(text)
        end = _end(data, start)
        if end < 0:
            return None
        before = b"data: " + data[:start]
        place = data.find(padding, end)
        if place < 0:
            return _plain(before, data[end:] + b"\n\n")
        begin = place + len(padding)
        padded = _end(data, begin)
        return None if padded < 0 else _padded(before, data[end:begin], data[padded:] + b"\n\n")
    return None


# Closures and slices, since they are called for every event of every stream: methods cost half as much again.


def _plain(before: bytes, after: bytes) -> OnlyText:
    start, rest, quote, backslash = len(before), len(after), _QUOTE, _BACKSLASH

    def matches(block: bytes) -> bool:
        end = len(block) - rest
        if block[:start] != before or block[end:] != after:
            return False
        return (block.find(quote, start) == end and block[end - 1] != backslash) or _end(block, start) == end

    return matches


def _padded(before: bytes, between: bytes, after: bytes) -> OnlyText:
    start, middle, rest = len(before), len(between), len(after)

    def matches(block: bytes) -> bool:
        if block[:start] != before or block[-rest:] != after:
            return False
        end = block.find(_QUOTE, start)
        if block[end - 1] == _BACKSLASH:
            end = _end(block, start)
        return block.startswith(between, end) and _end(block, end + middle) == len(block) - rest

    return matches


def _end(block: bytes, start: int) -> int:
    """Find where a string ends that began before `start`; -1 where it does not."""
    found = _string_rest(block, start)
    return -1 if found is None else found.end() - 1
