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
from aigateway.store.search.words import ALSO, Phrase

_COMMON = frozenset(
    {
        "initiator",
        "provider",
        "provider_name",
        "model",
        "client",
        "error_type",
        "status",
        "text",
        "started_after",
        "started_before",
    }
)

_MOST_PHRASES = 16
_LONGEST_WORD = 256
"""Characters. PostgreSQL's index has no words of more than 2,046 bytes."""


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
        texts=_phrases(values["text"]) if "text" in values else (),
    )


def _phrases(text: str) -> tuple[Phrase, ...]:
    """What to look for in texts."""
    parts = text.split(ALSO)
    if len(parts) > _MOST_PHRASES:
        raise BadSearch("text", f'"text" may stand {_MOST_PHRASES} times at most.')
    found = []
    for part in parts:
        phrase = Phrase.of(part)
        if phrase is None:
            raise BadSearch("text", f'"{part}" has no letter and no digit, and nothing else can be found in texts.')
        if max(map(len, phrase.words)) > _LONGEST_WORD:
            raise BadSearch("text", f"A word to look for in texts has at most {_LONGEST_WORD} characters.")
        found.append(phrase)
    return tuple(found)


def _status(text: str) -> int:
    if len(text) == 3 and text.isascii() and text.isdigit() and text >= "100":
        return int(text)
    raise BadSearch("status", f'"{text}" is not an HTTP status such as 429.')
