"""What a search on a page means: the same as over REST."""

from __future__ import annotations

from datetime import datetime

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Missing
from aigateway.accounts.people import People
from aigateway.accounts.roles import Permission
from aigateway.api import search
from aigateway.api.search import BadSearch
from aigateway.store.interceptions import InterceptionFilter
from aigateway.web.filters import Filter

_EXACT = frozenset({"provider", "provider_name", "model", "client", "session_id", "error_type"})
KEYS = _EXACT | {"initiator", "status", "started_after", "started_before"}
"""The keys that a search may have."""


async def meant(wanted: Filter, actor: Actor, people: People, now: datetime) -> InterceptionFilter:
    """Which interceptions a search means for this actor. Members see their own, silently.

    Raises:
        BadSearch: it means nothing.
    """
    values = search.parse(wanted.meant(now), keys=KEYS, default="initiator")
    times = {key: search.time(key, values[key]) for key in ("started_after", "started_before") if key in values}
    if len(times) == 2 and times["started_before"] < times["started_after"]:
        raise BadSearch("started_before", "started_before is earlier than started_after.")
    sees_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)
    return InterceptionFilter(
        visible_to=None if sees_all else actor.user_id,
        initiator_id=await _initiator(values.get("initiator"), actor, people),
        status_code=_status(values.get("status")),
        started_after=times.get("started_after"),
        started_before=times.get("started_before"),
        **{key: values[key] for key in _EXACT & values.keys()},
    )


async def _initiator(name: str | None, actor: Actor, people: People) -> str | None:
    if name is None:
        return None
    try:
        return await people.initiator_id(actor, name)
    except Missing as error:
        raise BadSearch("initiator", str(error)) from error


def _status(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) == 3):
        raise BadSearch("status", f'"{text}" is not an HTTP status such as 429.')
    return int(text)
