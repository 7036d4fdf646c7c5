"""What a search means for whoever asks: members see their own, silently (control-plane spec 3.6 and 9.5)."""

from __future__ import annotations

from dataclasses import dataclass

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Missing
from aigateway.accounts.people import People
from aigateway.accounts.roles import Permission
from aigateway.api import search
from aigateway.api.search import BadSearch
from aigateway.store.interceptions import InterceptionFilter

_COMMON = frozenset(
    {
        "initiator",
        "provider",
        "provider_name",
        "model",
        "client",
        "error_type",
        "status",
        "started_after",
        "started_before",
    }
)


@dataclass(frozen=True, slots=True)
class Language:
    """The keys that a search may have."""

    keys: frozenset[str]
    default: str | None
    """The key that words without one are given to; None where they are refused."""


INTERCEPTIONS = Language(_COMMON, "initiator")
SESSIONS = Language(_COMMON | {"session_id"}, None)


def visible_to(actor: Actor) -> str | None:
    """The one user whose interceptions an actor may see; None for everybody's."""
    return None if roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS) else actor.user_id


async def meant(q: str, actor: Actor, people: People, language: Language = INTERCEPTIONS) -> InterceptionFilter:
    """What a search means for this actor.

    Raises:
        BadSearch: it means nothing.
    """
    values = search.parse(q, keys=language.keys, default=language.default)
    times = {key: search.time(key, values[key]) for key in ("started_after", "started_before") if key in values}
    if len(times) == 2 and times["started_before"] < times["started_after"]:
        raise BadSearch("started_before", "started_before is earlier than started_after.")
    initiator = values.get("initiator")
    try:
        initiator_id = None if initiator is None else await people.initiator_id(actor, initiator)
    except Missing as error:
        raise BadSearch("initiator", str(error)) from error
    return InterceptionFilter(
        visible_to=visible_to(actor),
        initiator_id=initiator_id,
        status_code=_status(values["status"]) if "status" in values else None,
        started_after=times.get("started_after"),
        started_before=times.get("started_before"),
        provider=values.get("provider"),
        provider_name=values.get("provider_name"),
        model=values.get("model"),
        client=values.get("client"),
        session_id=values.get("session_id"),
        error_type=values.get("error_type"),
    )


def _status(text: str) -> int:
    if len(text) == 3 and text.isascii() and text.isdigit() and text >= "100":
        return int(text)
    raise BadSearch("status", f'"{text}" is not an HTTP status such as 429.')
