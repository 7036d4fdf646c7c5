"""The product with parts taken out, to show what each part costs: `python -m benchmarks.bench.layers LAYER server …`.

Each layer has all that those before it have. The composition root is the product's own; here some of the names that it
wires are exchanged before it runs. So no layer can be served by accident, and none needs a flag in the product.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aigateway.accounts.actor import Actor
from aigateway.accounts.authenticate import Authenticator
from aigateway.app import services
from aigateway.audit.journal import Journal
from aigateway.audit.shipper import Shipper
from aigateway.cli.main import run
from aigateway.gateway.body import view
from aigateway.gateway.passthrough import PassThrough
from aigateway.gateway.request import Request
from aigateway.store.records import AnyRecord
from aigateway.wire.clients import identify
from aigateway.wire.facts import ApiFormat

_ANYONE = Actor("0b7e7a1c-5f0e-4c55-9a53-3f1d7bb1d7aa", "anyone", None, "key", frozenset())


class _LetsAnyoneIn(Authenticator):
    def known(self, key_id: str, shown: bytes) -> Actor | None:  # noqa: ARG002 - whoever it is
        return _ANYONE


class _Relays:
    """Instead of the interceptor: only the relay."""

    def __init__(self, *, upstream: Any, in_flight: Any, actor_headers: Any, max_body_size: int, **_: Any) -> None:
        self._relay = PassThrough(upstream=upstream, in_flight=in_flight, actor_headers=actor_headers)
        self._max_body_size = max_body_size

    async def run(self, request: Request, api: ApiFormat, *client: Any) -> None:  # noqa: ARG002 - every API alike
        await self._relay.run(request, *client)


class _Reads(_Relays):
    """And the request is read."""

    async def run(self, request: Request, api: ApiFormat, *client: Any) -> None:
        identify(request.headers, view(api, request.body, request.headers, self._max_body_size))
        await self._relay.run(request, *client)


class _Forgets(Journal):
    """Everything is on record at once, and gone."""

    def append(self, records: Sequence[AnyRecord]) -> asyncio.Future[None]:  # noqa: ARG002 - forgotten
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class _Stays(Shipper):
    """What is in the journal stays there."""

    def start(self) -> None:
        pass

    async def stop(self, *, within_seconds: float) -> int:  # noqa: ARG002 - it never began
        return 0


def _no_shippers(*_: Any, **__: Any) -> Callable[[Journal], Shipper]:
    async def nowhere(_records: Sequence[AnyRecord]) -> None:
        """Never called."""

    return lambda journal: _Stays(journal, nowhere)


_NOT_KEPT = {"Journal": _Forgets, "shippers": _no_shippers}

WITHOUT: dict[str, dict[str, Any]] = {
    "route": {"Authenticator": _LetsAnyoneIn, "Interceptor": _Relays, **_NOT_KEPT},
    "auth": {"Interceptor": _Relays, **_NOT_KEPT},
    "view": {"Interceptor": _Reads, **_NOT_KEPT},
    "observe": _NOT_KEPT,
    "journal": {"shippers": _no_shippers},
    "ship": {},
    "log": {},
    "metrics": {},
    "dump": {},
}
"""By layer, what stands where in the composition root instead of the product's own."""


def environment(layer: str, folder: Path) -> dict[str, str]:
    """What switches a layer on, and all before it."""
    switches = {
        "log": {"CODER_AI_GATEWAY_STRUCTURED_LOGGING": "true"},
        "metrics": {"CODER_PROMETHEUS_ENABLE": "true", "CODER_PROMETHEUS_ADDRESS": "127.0.0.1:0"},
        "dump": {"CODER_AI_GATEWAY_DUMP_DIR": str(folder / "dumps")},
    }
    names = list(WITHOUT)
    env: dict[str, str] = {}
    for name in names[: names.index(layer) + 1]:
        env |= switches.get(name, {})
    return env


def main() -> None:
    """Run the product's command line with the layer's wiring."""
    layer = sys.argv.pop(1)
    for name, instead in WITHOUT[layer].items():
        getattr(services, name)  # a name that is gone would make a layer of nothing
        setattr(services, name, instead)
    run()


if __name__ == "__main__":
    main()
