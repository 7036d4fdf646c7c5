"""What the upstream is to answer. A request says it in its model's name, which every gateway passes on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_NAMED = re.compile(rb'"bench-(\d+)-(\d+)-(\d+)(-gzip)?"')


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer: JSON of about `size` bytes, or that many events of a stream with a pause between two."""

    events: int = 0
    interval_ms: int = 0
    size: int = 1024
    gzip: bool = False

    @property
    def model(self) -> str:
        """The model's name that asks for it."""
        return f"bench-{self.events}-{self.interval_ms}-{self.size}{'-gzip' if self.gzip else ''}"

    @classmethod
    def read(cls, body: bytes | bytearray) -> Self:
        """Find the plan in a request; one that asks for none gets the smallest answer."""
        # The name is at the beginning of a request of ours, so that a large one costs no search.
        if (named := _NAMED.search(body, 0, 512)) is None:
            return cls()
        events, interval, size = (int(number) for number in named.groups()[:3])
        return cls(events, interval, size, named[4] is not None)
