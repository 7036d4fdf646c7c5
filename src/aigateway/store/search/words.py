"""What a text can be found by: its words, made here and not by the databases, so that both find the same.

A word is a run of letters and digits, in small letters: `get_user` is two, `src/app.py` three. Characters of languages
that are written without blanks are words each, so that any part of a sentence is found.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Self

LONGEST = 200_000
"""Characters of all texts of one interception that can be found; what is behind them is not."""
BREAK = "\ue000"
"""Stands between two texts, so that no phrase is found across them. No search can have it: it is no letter."""
ALSO = " + "
"""Stands between phrases of a search that have to be there all."""

_ASCII = bytes(ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else ord(" ") for code in range(256))
_NOT_A_WORD = re.compile(r"[\W_]+")
ALONE = (
    "["
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u312f\u3131-\u318e\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"  # kana, bopomofo, han
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"  # hangul, more han
    "]"
)
"""A character that is a word by itself, as a regular expression."""
_ALONE = re.compile(f"({ALONE})")


def words(text: str) -> str:
    """The words of a text, with blanks between them."""
    if text.isascii():
        return text.encode().translate(_ASCII).decode()
    spaced = _NOT_A_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return _ALONE.sub(r" \1 ", spaced)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand next to each other."""

    words: tuple[str, ...]
    begins: bool = False
    """Whether the last word is only the beginning of one."""

    def __post_init__(self) -> None:
        if not self.words or not all(word.isalnum() for word in self.words):
            raise ValueError("A phrase has words, of letters and digits.")

    @classmethod
    def of(cls, text: str) -> Self | None:
        """What somebody wrote; an asterisk at the end stands for the rest of a word. None when it has no word."""
        found = tuple(words(text).split())
        return cls(found, begins=text.rstrip().endswith("*")) if found else None
