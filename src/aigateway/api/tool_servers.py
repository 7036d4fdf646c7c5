"""`/api/v2/ai/mcp/servers/status`: how MCP servers do right now, in the process that answers."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from aigateway.accounts import roles
from aigateway.accounts.errors import Refused
from aigateway.accounts.roles import Permission
from aigateway.api.asking import SignedIn
from aigateway.api.services import Serving
from aigateway.tools.status import ServerStatus

routes = APIRouter()


@routes.get("/api/v2/ai/mcp/servers/status")
async def list_mcp_servers(services: Serving, actor: SignedIn) -> Sequence[ServerStatus]:
    """How MCP servers do right now, in the process that answers."""
    if not roles.allows(actor.roles, Permission.READ_SERVER_STATE):
        raise Refused("Your roles do not allow you to see the state of MCP servers. Ask an owner or an auditor.")
    return services.tools.statuses()
