"""`/api/v2/ai/providers`: how providers do right now, in the process that answers, and a call to test one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from aigateway.accounts import roles
from aigateway.accounts.errors import Missing, Refused
from aigateway.accounts.roles import Permission
from aigateway.api import documents
from aigateway.api.asking import SignedIn
from aigateway.api.errors import refusal
from aigateway.providers.status import Probe, ProbedTooSoon, ProviderStatus

Statuses = Callable[[], Sequence[ProviderStatus]]
Probing = Callable[[str], Awaitable[Probe | None]]
"""Calls a provider by its name; None for one that is not there. Raises `ProbedTooSoon`."""


async def nothing_to_probe(_name: str) -> Probe | None:
    """Where there are no providers."""
    return None


def router(statuses: Statuses, probe: Probing) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/v2/ai/providers")

    @routes.get("/status")
    async def list_statuses(actor: SignedIn) -> Sequence[ProviderStatus]:
        if not roles.allows(actor.roles, Permission.READ_SERVER_STATE):
            raise Refused("Your roles do not allow you to see the state of providers. Ask an owner or an auditor.")
        return statuses()

    @routes.post("/{name}/test", response_model=Probe, responses=documents.PROBE)
    async def test_provider(actor: SignedIn, name: str) -> Probe | JSONResponse:
        """Call a provider as requests do, with the key that the next one would show, where it costs nothing."""
        if not roles.allows(actor.roles, Permission.TEST_PROVIDERS):
            raise Refused("Your roles do not allow you to test providers. Ask an owner.")
        try:
            found = await probe(name)
        except ProbedTooSoon as error:
            return refusal(429, str(error), headers={"Retry-After": str(error.seconds)})
        if found is None:
            raise Missing(f'There is no provider "{name[:100]}".')
        return found

    return routes
