"""Connecting a client: its lines, a token in them, and a word when its first request is on record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts.errors import AccountError
from aigateway.accounts.people import ME
from aigateway.api.errors import STATUSES
from aigateway.store import interceptions
from aigateway.store.interceptions import InterceptionFilter
from aigateway.store.observed import Row
from aigateway.web import forms
from aigateway.web.places import address
from aigateway.web.recipes import RECIPES, Recipe
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site
from aigateway.web.tokens import lifetime

PLACEHOLDER = "YOUR_TOKEN"
_LOOKED_THROUGH = 50
"""A person's newest requests, among which the first one of a new token is looked for."""
_KEY = re.compile(r"[A-Za-z0-9]{10}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A client, and a provider of this server that speaks as it does."""

    recipe: Recipe
    provider: str
    providers: list[str]
    """All that do."""


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def pick(request: Request) -> Response:
        usable = [recipe for recipe in RECIPES if _fitting(site, recipe)]
        return renderer.answer(
            request,
            "connect",
            lambda: [{"client": recipe.slug, "name": recipe.name} for recipe in usable],
            recipes=usable,
            enabled=site.enabled,
        )

    async def show(request: Request, *, status: int = 200, token: str = "", **view: Any) -> Response:
        choice = _chosen(site, request)
        if choice is None:
            return RedirectResponse("/connect", 303)
        base = f"{address(site, request)}/api/v2/ai-gateway"
        steps = choice.recipe.filled(base=base, provider=choice.provider, token=token or PLACEHOLDER)
        return renderer.answer(
            request,
            "connect_client",
            lambda: {
                "client": choice.recipe.name,
                "provider": choice.provider,
                "steps": [{"where": step.where, "lines": step.lines} for step in steps],
            },
            status=status,
            choice=choice,
            steps=steps,
            token=token,
            key=token.partition("-")[0],
            **view,
        )

    async def create(request: Request) -> Response:
        await forms.read(request)
        try:
            token = await site.accounts.keys.create_token(request.state.actor, ME, "", lifetime(""))
        except AccountError as error:
            return await show(request, status=STATUSES[type(error)], error=str(error))
        return await show(request, status=201, token=token)

    async def received(request: Request) -> Response:
        key = request.path_params["key"]
        mine = InterceptionFilter(visible_to=request.state.actor.user_id)
        found: Row | None = None
        if _KEY.fullmatch(key):
            page = await site.store.read(interceptions.below, mine, after=None, limit=_LOOKED_THROUGH)
            found = next((row for row in reversed(page.interceptions) if row["api_key_id"] == key), None)
        if request.state.json:
            return JSONResponse(_first(found))
        return RedirectResponse(
            f"/ai-gateway/interceptions/{found['id']}" if found else "/ai-gateway/interceptions", 303
        )

    return [
        Route("/connect", pick, methods=["GET"]),
        Route("/connect/received/{key}", received, methods=["GET"]),
        Route("/connect/{client}", show, methods=["GET"]),
        Route("/connect/{client}", create, methods=["POST"]),
    ]


def _chosen(site: Site, request: Request) -> Choice | None:
    slug = request.path_params["client"]
    recipe = next((recipe for recipe in RECIPES if recipe.slug == slug), None)
    if recipe is None:
        raise HTTPException(404, "There are no lines for such a client.")
    fitting = _fitting(site, recipe)
    asked = request.query_params.get("provider", "")
    return Choice(recipe, asked if asked in fitting else fitting[0], fitting) if fitting else None


def _fitting(site: Site, recipe: Recipe) -> list[str]:
    return [provider.name for provider in site.providers.values() if provider.type is recipe.speaks]


def _first(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {"received": False}
    failed = bool(row["error_type"]) or (row["status_code"] or 0) >= 400
    return {
        "received": True,
        "id": row["id"],
        "client": row["client"],
        "model": row["model"],
        "status_code": row["status_code"],
        "failed": failed,
    }
