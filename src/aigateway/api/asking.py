"""What routes ask of a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator

from aigateway.accounts.actor import Actor

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


async def _actor(request: Request) -> Actor:  # The framework runs what is not async in a thread.
    """Who asks. The guard has put it there, or a public route must not ask for it."""
    actor = request.state.actor
    if not isinstance(actor, Actor):
        raise TypeError("A route asked for the actor of a request that the guard did not see.")
    return actor


SignedIn = Annotated[Actor, Depends(_actor)]
"""The actor behind the request."""


def _text(value: str) -> str:
    """JSON can say half of a surrogate pair (RFC 8259 section 8.2) and NUL, which no database takes as text."""
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("Not a text: it has a NUL or half of a surrogate pair.")
    return value


Text = Annotated[str, AfterValidator(_text)]
"""A string that is really text; every string in a body is one."""

Offset = Annotated[int, Query(ge=0, le=2**62, description="How many to leave out.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(pattern=_UUID, description="The id of the last one already seen; the page goes on from there.")
]
Ident = Annotated[str, Path(pattern=_UUID, description="A UUID.")]
Search = Annotated[
    str,
    Query(
        max_length=4096,
        description="`key:value` elements separated by blanks; values with blanks or colons in double quotes.",
        examples=[
            'initiator:ada model:claude-opus-5-5 started_after:"2026-01-31T00:00:00Z"',
            'text:Makefile text:"does not compile"',
        ],
    ),
]
"""The search language, control-plane spec 3.6."""
