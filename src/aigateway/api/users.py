"""`/api/v2/users`: users, sign-in and sign-out."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from aigateway.accounts.errors import Invalid, NotSignedIn
from aigateway.accounts.new_user import OIDC, PASSWORD, NewUser
from aigateway.accounts.people import ME
from aigateway.api import shapes
from aigateway.api.asking import Cursor, Limit, Offset, SignedIn, Text
from aigateway.api.errors import refusal
from aigateway.api.guard import SESSION_COOKIE
from aigateway.api.services import Serving


class FirstUser(BaseModel):
    """The person who sets the server up."""

    email: Text
    username: Text
    password: Text
    name: Text = ""


class Login(BaseModel):
    """A sign-in."""

    email: Text
    password: Text


class WantedUser(BaseModel):
    """A user to create."""

    username: Text
    email: Text = ""
    password: Text = ""
    name: Text = ""
    login_type: Text = ""
    user_status: Text = ""
    roles: list[Text] = []
    service_account: bool = False

    def checked(self) -> NewUser:
        """The same as the accounts know it."""
        possible = ("none",) if self.service_account else (PASSWORD, OIDC)
        if self.login_type not in {"", *possible}:
            raise Invalid("login_type", f"The login type is {' or '.join(possible)} here; others are not supported.")
        return NewUser(
            username=self.username,
            email=self.email,
            password=self.password,
            name=self.name,
            roles=tuple(self.roles),
            is_service_account=self.service_account,
            login_type=self.login_type if self.login_type == OIDC else PASSWORD,
            status=self.user_status or "dormant",
        )


class Password(BaseModel):
    """A password that a user is to have; whoever changes their own says the old one too."""

    password: Text
    old_password: Text = ""


class Roles(BaseModel):
    """The roles that a user is to have."""

    roles: list[Text]


routes = APIRouter(prefix="/api/v2/users")


@routes.get("/first")
async def is_set_up(services: Serving) -> JSONResponse:
    """Whether somebody has set the server up; 404 when nobody has."""
    if await services.accounts.people.is_anybody_there():
        return JSONResponse({"message": "The first user was created."})
    return refusal(404, "There is no user yet.", "Create the first one: POST /api/v2/users/first.")


@routes.post("/first", status_code=201)
async def set_up(services: Serving, body: FirstUser) -> dict[str, str]:
    """Create the first user, an owner."""
    new = NewUser(email=body.email, username=body.username, password=body.password, name=body.name)
    user = await services.accounts.people.create_first(new)
    return {"user_id": user.id, "organization_id": shapes.ORGANIZATION_ID}


@routes.post("/login", status_code=201)
async def login(services: Serving, request: Request, body: Login) -> JSONResponse:
    """Sign in with a password. The token is that of a session."""
    key = (request.client.host if request.client else "", body.email[:254].lower())
    if wait := services.throttle.attempt(key):
        return _too_many(wait)
    try:
        token = await services.accounts.sign_in.login(body.email, body.password)
    except NotSignedIn as error:
        return refusal(401, str(error))
    services.throttle.succeeded(key)
    return JSONResponse({"session_token": token}, 201)


@routes.post("/logout")
async def logout(services: Serving, actor: SignedIn) -> JSONResponse:
    """End the session or the token that this is asked with."""
    await services.accounts.sign_in.logout(actor)
    answer = JSONResponse({"message": "You are signed out."})
    answer.delete_cookie(SESSION_COOKIE)
    return answer


@routes.put("/{user}/password", status_code=204, response_class=Response)
async def set_password(services: Serving, actor: SignedIn, user: str, body: Password) -> Response:
    """Set a password. Whoever changes their own says the old one too."""
    own = user == ME or user in {actor.user_id, actor.username}
    if own and (wait := services.throttle.attempt(actor.user_id)):
        return _too_many(wait)
    await services.accounts.password_change.change(actor, user, body.password, body.old_password)
    services.throttle.succeeded(actor.user_id)
    return Response(status_code=204)


@routes.get("/authmethods")
async def list_methods(services: Serving) -> dict[str, Any]:
    """How people can sign in."""
    return {
        "password": {"enabled": not services.accounts.sign_in.owners_only},
        "github": {"enabled": False},
        "oidc": {"enabled": services.oidc_text is not None, "signInText": services.oidc_text or "", "iconUrl": ""},
    }


@routes.get("")
async def list_users(
    services: Serving,
    actor: SignedIn,
    q: Annotated[Text, Query(max_length=256)] = "",
    limit: Limit = 100,
    offset: Offset = 0,
    after_id: Cursor = None,
) -> dict[str, Any]:
    """Users, by name."""
    after = after_id.lower() if after_id else None
    page = await services.accounts.people.page(actor, search=q.strip(), after_id=after, offset=offset, limit=limit)
    return {"users": [shapes.user(user) for user in page.users], "count": page.count}


@routes.post("", status_code=201)
async def create_user(services: Serving, actor: SignedIn, body: WantedUser) -> dict[str, Any]:
    """Create a user."""
    return shapes.user(await services.accounts.people.create(actor, body.checked()))


@routes.get("/{user}")
async def show_user(services: Serving, actor: SignedIn, user: str) -> dict[str, Any]:
    """A user, by name or UUID; `me` is you."""
    return shapes.user(await services.accounts.people.get(actor, user))


@routes.delete("/{user}", status_code=204, response_class=Response)
async def delete_user(services: Serving, actor: SignedIn, user: str) -> None:
    """Delete a user. What they asked stays on record."""
    await services.accounts.people.delete(actor, user)


@routes.put("/{user}/status/suspend")
async def suspend_user(services: Serving, actor: SignedIn, user: str) -> dict[str, Any]:
    """Suspend a user: their tokens hold no longer."""
    return shapes.user(await services.accounts.people.suspend(actor, user))


@routes.put("/{user}/status/activate")
async def activate_user(services: Serving, actor: SignedIn, user: str) -> dict[str, Any]:
    """Let a user in again."""
    return shapes.user(await services.accounts.people.activate(actor, user))


@routes.put("/{user}/roles")
async def set_roles(services: Serving, actor: SignedIn, user: str, body: Roles) -> dict[str, Any]:
    """Set the roles of a user."""
    return shapes.user(await services.accounts.people.set_roles(actor, user, body.roles))


def _too_many(wait: float) -> JSONResponse:
    seconds = str(math.ceil(wait))
    return refusal(429, f"Too many tries. Wait {seconds} s.", headers={"Retry-After": seconds})
