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


def typed_text(parts: Sequence[str]) -> str | None:
    """Give what a person typed, of the text parts of one user message; None if a harness wrote all of it.

    Parts that a harness wrote end a person's text: the last run of typed parts counts, joined with newlines.
    """
    if len(parts) == 1:
        return _strip(parts[0]) or None
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
    if max_tokens == 1 and len(texts) == 1:
        probe = dict(harness.PROBES).get(texts[0].strip())
        if probe:
            return probe
    if offers_tools:
        return _TEXT.of(texts)
    if _ANY_TEXT.of(texts):
        return _TEXT.of(texts) or _TOOLLESS_TEXT.of(texts)
    return _SYSTEM.of(system) if system else None


class _Marks:
    """The beginnings of texts that tell a purpose."""

    def __init__(self, marks: Sequence[tuple[str, str]]) -> None:
        self._marks = marks
        self._beginnings = tuple(mark for mark, _ in marks)

    def of(self, texts: Iterable[str]) -> str | None:
        """The purpose of the first text that has one."""
        for text in texts:
            start = text.lstrip()
            if start.startswith(self._beginnings):
                return next(purpose for mark, purpose in self._marks if start.startswith(mark))
        return None


_TEXT, _TOOLLESS_TEXT, _SYSTEM = map(_Marks, (harness.TEXT_MARKS, harness.TOOLLESS_TEXT_MARKS, harness.SYSTEM_MARKS))
_ANY_TEXT = _Marks((*harness.TEXT_MARKS, *harness.TOOLLESS_TEXT_MARKS))
"""Both, for asking once."""


_HARNESS_BEGINNINGS = ("<", *harness.HARNESS_PREFIXES)
_HARNESS_LETTERS = frozenset(beginning[0] for beginning in _HARNESS_BEGINNINGS)
"""Looked at first, since asking for all of the beginnings costs more."""


def _strip(text: str) -> str:
    """Take what a harness wrote off both ends; a text that has none of it stays as it is."""
    bare = text.strip()
    if not bare:
        return ""
    if bare[-1] != ">" and (bare[0] not in _HARNESS_LETTERS or not bare.startswith(_HARNESS_BEGINNINGS)):
        return text
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
