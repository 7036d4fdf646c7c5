"""Who is in flight, so that a stopping gateway can break off what does not end by itself."""

from __future__ import annotations

from types import TracebackType

from aigateway.gateway.exchange import Exchange, Reason


class _Place:
    """Holds an exchange in flight."""

    __slots__ = ("_among", "_exchange")

    def __init__(self, among: set[Exchange]) -> None:
        self._among = among
        self._exchange = Exchange()

    def __enter__(self) -> Exchange:
        self._among.add(self._exchange)
        return self._exchange

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._among.discard(self._exchange)
        if self._exchange.when_over is not None:
            self._exchange.when_over()


class InFlight:
    """The exchanges of this replica."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()

    def __len__(self) -> int:
        return len(self._exchanges)

    def exchange(self) -> _Place:
        """The exchange of the current task, for as long as a `with` of it runs."""
        return _Place(self._exchanges)

    def stop(self) -> None:
        """Let nothing begin in what does not end by itself; all that is in flight may finish."""
        for exchange in tuple(self._exchanges):
            if exchange.when_stopping is not None:
                exchange.when_stopping()

    def interrupt_all(self) -> None:
        """Break off what is still in flight; each client is told, each record ended."""
        for exchange in tuple(self._exchanges):
            exchange.interrupt(Reason.STOPPING)
