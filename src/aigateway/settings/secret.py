"""Values that must never be seen, and the little of them that may."""

from __future__ import annotations

import hmac

_REVEALED_ENDS = ((20, 4), (10, 2), (5, 1))


def mask(value: str) -> str:
    """Return what may be shown of a secret: its two ends around `...` (data-plane spec 3.3).

    Four characters at each end from length 20, two from 10, one from 5, else only `...`; an empty value stays empty.
    """
    if not value:
        return ""
    for length, shown in _REVEALED_ENDS:
        if len(value) >= length:
            return f"{value[:shown]}...{value[-shown:]}"
    return "..."


class Secret:
    """A secret text. Printing, formatting or logging it shows only its hint; `reveal()` is the one way to the value.

    It is no dataclass, so that no serializer finds the value by looking at fields.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself, to be sent to a provider and for nothing else."""
        return self._value

    @property
    def hint(self) -> str:
        """The masked form, for records and pages."""
        return mask(self._value)

    def __repr__(self) -> str:
        return f"Secret({self.hint!r})"

    def __str__(self) -> str:
        return self.hint

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))
