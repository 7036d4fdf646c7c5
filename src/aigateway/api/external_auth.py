"""`/api/v2/external-auth`: one's own accounts at the services behind MCP servers, as the documented system shows them.

They are linked in a browser, on the page Tools.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from aigateway.accounts.errors import Missing
from aigateway.api.asking import SignedIn
from aigateway.api.services import Serving
from aigateway.store.times import rfc3339
from aigateway.tools.linked import Account, LinkedAccounts
from aigateway.tools.service import ToolService

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


routes = APIRouter(prefix="/api/v2/external-auth")


@routes.get("")
async def list_accounts(services: Serving, actor: SignedIn) -> dict[str, Any]:
    """The services at which people have accounts, and which of yours are linked."""
    accounts = services.tools.accounts
    if accounts is None:
        return {"providers": [], "links": []}
    linked = await accounts.of(actor.user_id)
    return {
        "providers": [_provider(accounts, name) for name in accounts.names],
        "links": [link(account) for account in linked.values()],
    }


@routes.get("/{name}")
async def show_account(services: Serving, actor: SignedIn, name: str) -> dict[str, Any]:
    """How your account at a service does."""
    accounts = _accounts(services.tools, name)
    account = (await accounts.of(actor.user_id)).get(name)
    return {
        "authenticated": account is not None and not account.problem,
        "device": False,
        "display_name": name,
        "link": link(account) if account else None,
    }


@routes.delete("/{name}", status_code=204, response_class=Response)
async def unlink_account(services: Serving, actor: SignedIn, name: str) -> None:
    """Forget your account at a service."""
    await _accounts(services.tools, name).unlink(actor, name)


def link(account: Account) -> dict[str, Any]:
    """A linked account, without its tokens."""
    return {
        "provider_id": account.server,
        "created_at": rfc3339(account.created_at),
        "updated_at": rfc3339(account.updated_at),
        "has_refresh_token": account.has_refresh_token,
        "expires": rfc3339(account.expires_at or _NEVER),
        "authenticated": not account.problem,
        "validate_error": account.problem,
    }


def _provider(accounts: LinkedAccounts, name: str) -> dict[str, Any]:
    return {"id": name, "type": accounts.kind(name), "display_name": name, "device": False}


def _accounts(tools: ToolService, name: str) -> LinkedAccounts:
    if tools.accounts is None or name not in tools.accounts.names:
        raise Missing(f"There is no MCP server {name} at which people have accounts.")
    return tools.accounts
