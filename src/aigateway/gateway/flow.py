"""Answers that bring themselves: each piece is handed on where it comes in, and nobody wakes up for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aigateway.gateway.http1.answer import Answer
from aigateway.providers.upstream import UpstreamAnswer

Take = Callable[[bytes], bool]
"""Takes a piece; False where it wants no more for now."""


class Flow(Protocol):
    """An answer on its way."""

    @property
    def whole(self) -> bool:
        """Whether nothing more will come in."""

    def hand_over(self, take: Take) -> bool | None:
        """Let `take` have what is here: True at the end of the answer, False where it wants no more, None for more.

        Raises what `UpstreamAnswer.read` raises, and what `take` does.
        """

    async def forward(self, take: Take) -> bool:
        """The same, for each piece as it comes."""


class _Read:
    """An answer that has to be read, since something is done to it on its way."""

    whole = False

    def __init__(self, answer: UpstreamAnswer) -> None:
        self._answer = answer

    def hand_over(self, take: Take) -> None:
        """Nothing is here."""

    async def forward(self, take: Take) -> bool:
        while piece := await self._answer.read():
            if not take(piece):
                return False
        return True


def flow_of(answer: UpstreamAnswer) -> Flow:
    """An answer as it flows."""
    return answer if isinstance(answer, Answer) else _Read(answer)
