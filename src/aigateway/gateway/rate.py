"""Step 3, second part: how many requests a second one token may send to this replica (control-plane spec 2.2)."""

from __future__ import annotations

import time
from collections.abc import Callable

from aigateway.gateway.refusal import Refusal


class RateLimiter:
    """Counts requests in windows of one second, and forgets everything when the second is over.

    Only tokens that were found good are counted, so that nobody can spend another person's requests, evade the limit
    with headers made up, or fill the memory with them.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._window = 0
        self._counts: dict[str, int] = {}

    def check(self, credential: str) -> None:
        """Count a request; the credential is named by an id, not by its secret.

        Raises:
            Refusal: 429 when it has had its requests of this second.

        """
        window = int(self._clock())
        if window != self._window:
            self._window = window
            self._counts.clear()
        count = self._counts.get(credential, 0)
        if count >= self._per_second:
            raise Refusal(
                429,
                f"more than {self._per_second} requests in a second with this token (--ai-gateway-rate-limit). "
                "Try again in a second.",
                error_type="rate_limited",
                headers=((b"retry-after", b"1"),),
            )
        self._counts[credential] = count + 1
