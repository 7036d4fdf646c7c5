"""What can be wrong with a configuration, said so that the operator can mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

_LONGEST_SHOWN = 120


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend."""

    option: str
    """In the form that the operator used: a flag, a variable, or a key of the YAML file."""
    value: str | None
    """As written; None when it is a secret or there is none."""
    message: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        option = self.option if self.option.isprintable() else quoted(self.option)
        return f"{option}{'' if self.value is None else '=' + quoted(self.value)}: {self.message}"


class ConfigurationError(Exception):
    """The configuration cannot be used. Every problem is listed, each on a line of its own."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class SensitiveValueError(ValueError):
    """A value is refused, and must not be repeated because it may hold a secret."""


def quoted(text: str) -> str:
    """Return `text` in quotes on one line, harmless for a terminal, and cut when it is very long."""
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
    return json.dumps(shown, ensure_ascii=not shown.isprintable())
