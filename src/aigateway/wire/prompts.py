"""Which of the texts in a user message a person typed, and which requests nobody typed at all (decisions 12, 13, 29).

The tables are in `harness`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from aigateway.wire import harness

_TAGS = "|".join(map(re.escape, harness.HARNESS_TAGS))
_OPENING = re.compile(rf"\s*<({_TAGS})(?:\s[^<>]*)?>")
_CLOSING = re.compile(rf"</({_TAGS})>\s*\Z")
_EDGE = 4096
"""How much of a text's end is looked at for a closing tag, so that no text makes this slow."""
_MOST_PIECES = 100
"""How many wrapped pieces are taken off each end of one text."""


def typed_text(parts: Iterable[str]) -> str | None:
    """Give what a person typed, of the text parts of one user message; None if a harness wrote all of it.

    Parts that a harness wrote end a person's text: the last run of typed parts counts, joined with newlines.
    """
    run: list[str] = []
    ended = False
    for part in parts:
        typed = _strip(part)
        if not typed:
            ended = True
            continue
        if ended:
            run.clear()
            ended = False
        run.append(typed)
    return "\n".join(run) or None


def purpose_of(
    *, system: Sequence[str], texts: Sequence[str], offers_tools: bool, max_tokens: int | None
) -> str | None:
    """Name the side request that this is, by the texts of its system prompt and of its last user message; or None."""
    starts = [text.lstrip() for text in texts]
    if max_tokens == 1 and len(starts) == 1:
        probe = dict(harness.PROBES).get(starts[0].rstrip())
        if probe:
            return probe
    found = _TEXT.of(starts)
    if found or offers_tools:
        return found
    return _TOOLLESS_TEXT.of(starts) or _SYSTEM.of([text.lstrip() for text in system])


class _Marks:
    """The beginnings of texts that tell a purpose."""

    def __init__(self, marks: Sequence[tuple[str, str]]) -> None:
        self._marks = marks
        self._beginnings = tuple(mark for mark, _ in marks)

    def of(self, texts: Iterable[str]) -> str | None:
        """The purpose of the first text that has one."""
        for text in texts:
            if text.startswith(self._beginnings):
                return next(purpose for mark, purpose in self._marks if text.startswith(mark))
        return None


_TEXT, _TOOLLESS_TEXT, _SYSTEM = map(_Marks, (harness.TEXT_MARKS, harness.TOOLLESS_TEXT_MARKS, harness.SYSTEM_MARKS))


def _strip(text: str) -> str:
    """Take what a harness wrote off both ends; a text that has none of it stays as it is."""
    left = _after_harness(text)
    right = _before_harness(text, left)
    kept = text if (left, right) == (0, len(text)) else text[left:right].strip()
    bare = kept.strip()
    if bare[:_EDGE].startswith(harness.HARNESS_PREFIXES) or not bare:
        return ""
    return _unwrap(kept, bare) if bare[0] == "<" else kept


def _after_harness(text: str) -> int:
    left = 0
    for _ in range(_MOST_PIECES):
        opening = _OPENING.match(text, left)
        if opening is None:
            break
        closing = f"</{opening[1]}>"
        end = text.find(closing, opening.end())
        left = len(text) if end < 0 else end + len(closing)
    return left


def _before_harness(text: str, left: int) -> int:
    right = len(text)
    if not text[-_EDGE:].rstrip().endswith(">"):
        return right
    for _ in range(_MOST_PIECES):
        edge = max(left, right - _EDGE)
        closing = _CLOSING.search(text[edge:right])
        start = text.rfind(f"<{closing[1]}", left, edge + closing.start()) if closing else -1
        if start < 0:
            break
        right = start
    return right


def _unwrap(text: str, bare: str) -> str:
    for tag in harness.TYPED_TAGS:
        if bare.startswith(f"<{tag}>") and bare.endswith(f"</{tag}>"):
            return bare[len(tag) + 2 : -len(tag) - 3].strip()
    return text
