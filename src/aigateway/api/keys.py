"""`/api/v2/users/{user}/keys`: tokens, and the keys of sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from aigateway.api import shapes
from aigateway.api.asking import SignedIn, Text
from aigateway.api.services import Serving


class WantedToken(BaseModel):
    """A token to make."""

    token_name: Text = ""
    lifetime: int = Field(default=0, ge=0, le=2**63 - 1)
    """Nanoseconds; 0 for the default."""
    scope: Text = "all"


routes = APIRouter(prefix="/api/v2/users/{user}/keys")


@routes.post("", status_code=201)
async def create_session(services: Serving, actor: SignedIn, user: str) -> dict[str, str]:
    """Make a key as signing in does, for as long as a session lasts."""
    return {"key": await services.accounts.keys.create_session(actor, user)}


@routes.post("/tokens", status_code=201)
async def create_token(services: Serving, actor: SignedIn, user: str, body: WantedToken) -> dict[str, str]:
    """Make a token. It is shown here, and never again."""
    lifetime = timedelta(microseconds=body.lifetime // 1000) if body.lifetime else None
    return {"key": await services.accounts.keys.create_token(actor, user, body.token_name, lifetime)}


@routes.get("/tokens")
async def list_tokens(
    services: Serving, actor: SignedIn, user: str, *, include_expired: bool = False, include_all: bool = False
) -> list[dict[str, Any]]:
    """The tokens of a user, expired ones if asked for; with `include_all` everybody's, for an owner."""
    found = await services.accounts.keys.tokens(actor, user, include_expired=include_expired, include_all=include_all)
    return [shapes.token(key, username) for key, username in found]


@routes.delete("/{key}", status_code=204, response_class=Response)
async def remove_key(services: Serving, actor: SignedIn, user: str, key: str) -> None:
    """End a token or a session, by the part of it before the hyphen."""
    await services.accounts.keys.remove(actor, user, key)
