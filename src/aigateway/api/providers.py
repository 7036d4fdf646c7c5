"""`/api/v2/ai/providers/status`: how providers do right now, in the process that answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter

from aigateway.accounts import roles
from aigateway.accounts.errors import Refused
from aigateway.accounts.roles import Permission
from aigateway.api.asking import SignedIn
from aigateway.providers.status import ProviderStatus

Statuses = Callable[[], Sequence[ProviderStatus]]


def router(statuses: Statuses) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/api/v2/ai/providers/status")
    async def list_statuses(actor: SignedIn) -> Sequence[ProviderStatus]:
        if not roles.allows(actor.roles, Permission.READ_SERVER_STATE):
            raise Refused("Your roles do not allow you to see the state of providers. Ask an owner or an auditor.")
        return statuses()

    return routes
