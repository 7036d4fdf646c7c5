"""`/api/v2/ai/providers`: how providers do right now, in the process that answers, and a call to test one."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from aigateway.accounts import roles
from aigateway.accounts.errors import Missing, Refused
from aigateway.accounts.roles import Permission
from aigateway.api import documents
from aigateway.api.asking import SignedIn
from aigateway.api.errors import refusal
from aigateway.api.services import Serving
from aigateway.providers.status import Probe, ProbedTooSoon, ProviderStatus

routes = APIRouter(prefix="/api/v2/ai/providers")


@routes.get("/status")
async def list_statuses(services: Serving, actor: SignedIn) -> Sequence[ProviderStatus]:
    """How providers do right now, in the process that answers."""
    if not roles.allows(actor.roles, Permission.READ_SERVER_STATE):
        raise Refused("Your roles do not allow you to see the state of providers. Ask an owner or an auditor.")
    return services.statuses()


@routes.post("/{name}/test", response_model=Probe, responses=documents.PROBE)
async def test_provider(services: Serving, actor: SignedIn, name: str) -> Probe | JSONResponse:
    """Call a provider as requests do, with the key that the next one would show, where it costs nothing."""
    if not roles.allows(actor.roles, Permission.TEST_PROVIDERS):
        raise Refused("Your roles do not allow you to test providers. Ask an owner.")
    try:
        found = await services.probe(name)
    except ProbedTooSoon as error:
        return refusal(429, str(error), headers={"Retry-After": str(error.seconds)})
    if found is None:
        raise Missing(f'There is no provider "{name[:100]}".')
    return found
