"""The REST API as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp

from aigateway import __version__
from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.service import Accounts
from aigateway.api import (
    documents,
    errors,
    export,
    external_auth,
    facets,
    interceptions,
    keys,
    openapi,
    providers,
    sessions,
    tool_servers,
    users,
)
from aigateway.api.guard import Guard
from aigateway.api.throttle import Throttle
from aigateway.store.engine import Store
from aigateway.tools.service import ToolService

_NO_TOOLS = ToolService()


def create_api(
    *,
    accounts: Accounts,
    authenticator: Authenticator,
    store: Store,
    statuses: providers.Statuses,
    oidc_text: str | None = None,
    tools: ToolService = _NO_TOOLS,
    probe: providers.Probing = providers.nothing_to_probe,
) -> ASGIApp:
    """Everything under `/api/v2` but the data plane.

    It answers 401 to whoever is not signed in, except on the routes in `guard.PUBLIC`.

    Args:
        accounts: users, keys and sessions.
        authenticator: tells whose token it is.
        store: where the record is.
        statuses: tells how the providers do.
        probe: calls a provider to test it.
        oidc_text: what signing in by OpenID Connect is called; None where nobody can.
        tools: the MCP servers.
    """
    routes = create_routes(
        accounts=accounts, store=store, statuses=statuses, oidc_text=oidc_text, tools=tools, probe=probe
    )
    return Guard(routes, authenticator)


def create_routes(
    *,
    accounts: Accounts,
    store: Store,
    statuses: providers.Statuses,
    oidc_text: str | None = None,
    tools: ToolService = _NO_TOOLS,
    probe: providers.Probing = providers.nothing_to_probe,
) -> FastAPI:
    """The routes, without the guard that they rely on."""
    # The framework's pages of documentation load scripts from elsewhere, which an isolated network does not have.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, responses=documents.REFUSALS)
    errors.install(app)
    openapi.install(app)

    @app.get("/api/v2/buildinfo")
    async def build_info() -> dict[str, str]:
        return {"version": __version__}

    app.include_router(users.router(accounts, Throttle(), oidc_text), tags=["Users"], responses=documents.ACCOUNTS)
    app.include_router(keys.router(accounts), tags=["Tokens"], responses=documents.ACCOUNTS)
    for routes in (
        export.router(store, accounts.people),
        interceptions.router(store, accounts.people),
        sessions.router(store, accounts.people),
        facets.router(store),
    ):
        app.include_router(routes, prefix="/api/v2/ai-gateway")
        app.include_router(routes, prefix="/api/v2/aibridge", include_in_schema=False)
    app.include_router(providers.router(statuses, probe), tags=["Providers"], responses=documents.FORBIDDEN)
    app.include_router(tool_servers.router(tools), tags=["MCP servers"], responses=documents.FORBIDDEN)
    app.include_router(external_auth.router(tools), tags=["MCP servers"], responses=documents.ACCOUNTS)
    return app
