"""How far a turn may go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one turn; each is told to the model when it is reached."""

    rounds: int = 16
    """How often the model may be given results."""
    seconds: float = 60.0
    """For one call."""
    result_bytes: int = 1024 * 1024
    """Of one result."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.seconds <= 0 or self.result_bytes < 1:
            raise ValueError("every limit is more than nothing")
