"""What routes ask of a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from aigateway.accounts.actor import Actor

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _actor(request: Request) -> Actor:
    """Who asks. The guard has put it there, or a public route must not ask for it."""
    actor = request.state.actor
    if not isinstance(actor, Actor):
        raise TypeError("A route asked for the actor of a request that the guard did not see.")
    return actor


SignedIn = Annotated[Actor, Depends(_actor)]
"""The actor behind the request."""

Offset = Annotated[int, Query(ge=0, le=2**62)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(pattern=_UUID)]
