"""What sessions come to: who, when, with what, how much, and what was asked last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, func, select

from aigateway.store.session_index import SessionKey, among, chunks
from aigateway.store.session_sums import TokenSum, sums
from aigateway.store.tables import interceptions, session_uses, sessions, user_prompts, users

_Used = tuple[set[str], set[str], set[str]]
"""Types and names of providers, and models."""
LONGEST_LAST_PROMPT = 1000
"""Characters of a session's last prompt that a list tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session. Everything counts ended interceptions; threads leave side requests out."""

    id: str
    initiator_id: str
    username: str | None
    """None when the user is unknown, like the next two."""
    name: str | None
    avatar_url: str | None
    providers: list[str]
    """Types, names, and models that were used: distinct and sorted."""
    provider_names: list[str]
    models: list[str]
    client: str
    """Of the first interception, like `metadata`."""
    metadata: dict[str, Any]
    started_at: datetime
    ended_at: datetime
    last_active_at: datetime
    """When the newest prompt came, else the start."""
    threads: int
    interceptions: int
    failures: int
    tokens: TokenSum
    last_prompt: str | None
    """The first `LONGEST_LAST_PROMPT` characters."""


def summaries(connection: Connection, keys: Sequence[SessionKey]) -> list[Session]:
    """What these sessions come to, in this order; one without ended interceptions is left out."""
    found: dict[SessionKey, Session] = {}
    for some in chunks(keys):
        found |= _summaries(connection, some)
    return [found[key] for key in keys if key in found]


def _summaries(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, Session]:
    uses = _uses(connection, keys)
    prompts = _last_prompts(connection, keys)
    firsts = _firsts(connection, keys)
    found = {}
    for key, come_to in sums(connection, keys).items():
        prompted_at, prompt = prompts.get(key, (None, None))
        providers, provider_names, models = uses[key]
        found[key] = Session(
            id=key[0],
            initiator_id=key[1],
            **firsts[key],
            providers=sorted(providers),
            provider_names=sorted(provider_names),
            models=sorted(models),
            started_at=come_to.started_at,
            ended_at=come_to.ended_at,
            last_active_at=prompted_at or come_to.started_at,
            threads=come_to.threads,
            interceptions=come_to.interceptions,
            failures=come_to.failures,
            tokens=come_to.tokens,
            last_prompt=prompt,
        )
    return found


def _uses(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, _Used]:
    column = session_uses.c
    query = select(column.session_id, column.initiator_id, column.provider, column.provider_name, column.model)
    found: dict[SessionKey, _Used] = defaultdict(lambda: (set(), set(), set()))
    for session, initiator, *used in connection.execute(query.where(among(session_uses, keys))).all():
        for those, one in zip(found[session, initiator], used, strict=True):
            those.add(one)
    return found


def _last_prompts(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, tuple[datetime, str]]:
    """The prompt of each session's newest interception that has one, and when it came."""
    column, prompt = interceptions.c, user_prompts.c
    newest = (
        select(prompt.id)
        .join_from(interceptions, user_prompts, prompt.interception_id == column.id)
        .where(_ended_in_one)
        .order_by(column.started_at.desc(), column.id.desc(), prompt.created_at.desc(), prompt.id.desc())
    )
    found = _one_each(keys, newest)
    query = select(
        found.c.session_id,
        found.c.initiator_id,
        prompt.created_at,
        func.substr(prompt.prompt, 1, LONGEST_LAST_PROMPT).label("prompt"),
    ).join_from(found, user_prompts, prompt.id == found.c.id)
    return {(session, initiator): (at, text) for session, initiator, at, text in connection.execute(query).all()}


def _firsts(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, dict[str, Any]]:
    """Client and metadata of each session's first interception, and the initiator."""
    column = interceptions.c
    found = _one_each(keys, select(column.id).where(_ended_in_one).order_by(column.started_at, column.id))
    query = (
        select(
            found.c.session_id,
            found.c.initiator_id,
            column.client,
            column.metadata,
            users.c.username,
            users.c.name,
            users.c.avatar_url,
        )
        .join_from(found, interceptions, column.id == found.c.id)
        .join(users, users.c.id == column.initiator_id, isouter=True)
    )
    names = ("client", "metadata", "username", "name", "avatar_url")
    return {
        (session, initiator): dict(zip(names, (client, metadata or {}, *user), strict=True))
        for session, initiator, client, metadata, *user in connection.execute(query).all()
    }


_ended_in_one = and_(
    interceptions.c.session_id == sessions.c.session_id,
    interceptions.c.initiator_id == sessions.c.initiator_id,
    interceptions.c.ended_at.is_not(None),
)


def _one_each(keys: Sequence[SessionKey], first: Select[tuple[str]]) -> Subquery:
    """The keys of sessions, with the first id of a query on what is in one: an index leads to it, past all others."""
    ident = first.limit(1).correlate(sessions).scalar_subquery().label("id")
    return select(sessions.c.session_id, sessions.c.initiator_id, ident).where(among(sessions, keys)).subquery()
