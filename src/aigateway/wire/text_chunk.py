"""Chunks of a chat that differ from one another in nothing but their text, and so need no reading.

Of a long answer nearly all chunks are such: the same bytes but for one string, and some padding in OpenAI's own. A
string that stands where a string stood changes nothing else in a JSON text; so if one of them held no fact, none does.
"""

from __future__ import annotations

from typing import NamedTuple, Self

_TEXT = b'"content":"'
_PADDING = b'"obfuscation":"'
_SPACED = (_TEXT.replace(b":", b": "), _PADDING.replace(b":", b": "))
_BACKSLASH = ord("\\")


class TextChunk(NamedTuple):
    """What stands before the text, between it and the padding, and after that; all as events of a stream."""

    before: bytes
    between: bytes
    """Empty without padding."""
    after: bytes

    @classmethod
    def like(cls, data: bytes) -> Self | None:
        """Make the pattern of a chunk that is known to bring text alone; None when its text is not found."""
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
                return cls(before, b"", data[end:] + b"\n\n")
            padded = _end(data, place + len(padding))
            return None if padded < 0 else cls(before, data[end : place + len(padding)], data[padded:] + b"\n\n")
        return None

    def matches(self, block: bytes) -> bool:
        """Whether a whole event has this pattern. A text with an escaped quote is not told; it is read, then."""
        if not block.startswith(self.before):
            return False
        end = _end(block, len(self.before))
        if end < 0 or not block.startswith(self.between, end):
            return False
        if self.between:
            end = _end(block, end + len(self.between))
        return block[end:] == self.after


def _end(block: bytes, start: int) -> int:
    """Find where a string ends that began before `start`; -1 when a backslash leaves that open."""
    end = block.find(b'"', start)
    return -1 if end > start and block[end - 1] == _BACKSLASH else end
