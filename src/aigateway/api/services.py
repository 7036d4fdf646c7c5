"""What the routes serve from.

Routes are made once for a process and know no gateway: they ask each request for the one that it came to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from aigateway.accounts.service import Accounts
from aigateway.api.throttle import Throttle
from aigateway.providers.status import Probe, ProviderStatus
from aigateway.store.engine import Store
from aigateway.tools.service import ToolService

Statuses = Callable[[], Sequence[ProviderStatus]]
Probing = Callable[[str], Awaitable[Probe | None]]
"""Calls a provider by its name; None for one that is not there. Raises `ProbedTooSoon`."""


async def nothing_to_probe(_name: str) -> Probe | None:
    """Where there are no providers."""
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What a gateway has for its REST API."""

    accounts: Accounts
    store: Store
    statuses: Statuses
    """Tells how the providers do."""
    probe: Probing = nothing_to_probe
    """Calls a provider to test it."""
    oidc_text: str | None = None
    """What signing in by OpenID Connect is called; None where nobody can."""
    tools: ToolService = field(default_factory=ToolService)
    throttle: Throttle = field(default_factory=Throttle)


def serving(services: Services, routes: ASGIApp) -> ASGIApp:
    """The routes, as those of one gateway."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await routes({**scope, "state": {**scope.get("state", {}), "services": services}}, receive, send)

    return serve


async def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


Serving = Annotated[Services, Depends(_services)]
"""What the gateway has that a request came to."""
