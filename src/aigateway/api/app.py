"""The REST API as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp

from aigateway import __version__
from aigateway.accounts.authenticate import Authenticator
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
from aigateway.api.services import Services, serving


def create_api(services: Services, authenticator: Authenticator) -> ASGIApp:
    """Everything under `/api/v2` but the data plane.

    It answers 401 to whoever is not signed in, except on the routes in `guard.PUBLIC`.

    Args:
        services: what the gateway has.
        authenticator: tells whose token it is.
    """
    return Guard(serving(services, ROUTES), authenticator)


def _routes() -> FastAPI:
    # The framework's pages of documentation load scripts from elsewhere, which an isolated network does not have.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, responses=documents.REFUSALS)
    errors.install(app)
    openapi.install(app)

    @app.get("/api/v2/buildinfo")
    async def build_info() -> dict[str, str]:
        return {"version": __version__}

    app.include_router(users.routes, tags=["Users"], responses=documents.ACCOUNTS)
    app.include_router(keys.routes, tags=["Tokens"], responses=documents.ACCOUNTS)
    for routes in (export.routes, interceptions.routes, sessions.routes, facets.routes):
        app.include_router(routes, prefix="/api/v2/ai-gateway")
        app.include_router(routes, prefix="/api/v2/aibridge", include_in_schema=False)
    app.include_router(providers.routes, tags=["Providers"], responses=documents.FORBIDDEN)
    app.include_router(tool_servers.routes, tags=["MCP servers"], responses=documents.FORBIDDEN)
    app.include_router(external_auth.routes, tags=["MCP servers"], responses=documents.ACCOUNTS)
    for _ in iter_route_contexts(app.routes):
        pass  # The framework would do half of the work at the first request, which would wait for it.
    return app


ROUTES = _routes()
"""The routes, without the guard that they rely on; all gateways of a process share them, for they cost much to make."""
