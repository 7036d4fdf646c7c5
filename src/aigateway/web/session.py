"""One session: what was asked, what the model thought and did, step by step."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.roles import Permission
from aigateway.api import session_shapes
from aigateway.store import sessions
from aigateway.store.observed import Row
from aigateway.store.session_detail import SessionDetail, Thread, ThreadRange, UnknownThread, detail
from aigateway.store.sessions import SharedSessionId, UnknownSession
from aigateway.web.places import address
from aigateway.web.rendering import Renderer, segment
from aigateway.web.site import Site

_THREADS = 20
_STEPS = 30
"""Of a thread, before the rest is asked for."""
_CUT = 6000
"""Characters of a text, before the rest is asked for."""
_PRINTED = 1000
"""Threads, and steps of each, in what goes into a file."""
_NOT_THERE = "There is no such session that you may see."
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Lane:
    """When a step was, in parts of a hundred of its thread's time: until the first byte came, and until the last."""

    start: float
    wait: float
    answer: float


@dataclass(frozen=True, slots=True)
class Step:
    """One interception, with what was observed in it."""

    row: Row
    lane: Lane
    prompts: list[Row]
    thoughts: list[Row]
    tools: list[Row]
    usages: list[Row]

    @property
    def purpose(self) -> str:
        """What a client made it for on its own account; empty for what a person asked (decision 29)."""
        return str((self.row["metadata"] or {}).get("purpose", ""))


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread, and those of its steps that are shown."""

    thread: Thread
    steps: list[Step]
    first: int
    """How many steps come before."""
    count: int
    """How many there are."""
    most: int
    """How many are shown at once."""

    @property
    def before(self) -> int:
        """Where the steps before begin."""
        return max(self.first - self.most, 0)

    @property
    def behind(self) -> int:
        """Where the steps behind begin; 0 for none."""
        return self.first + len(self.steps) if self.first + len(self.steps) < self.count else 0

    @property
    def tool_calls(self) -> int:
        """Of all steps."""
        seen = self.thread.steps
        return sum(len(seen.tool_usages.get(row["id"], [])) for row in seen.interceptions)

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.thread.ended_at - self.thread.started_at).total_seconds() * 1000


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def show(request: Request) -> Response:
        ident = request.path_params["id"].removesuffix("/")
        by = _uuid(request.query_params.get("by", ""))
        printing = bool(request.query_params.get("print"))
        wanted = _wanted(request, limit=_PRINTED if printing else _THREADS)
        actor = request.state.actor
        sees_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)

        def found_in(connection: Connection) -> SessionDetail:
            key = sessions.find(connection, ident, visible_to=None if sees_all else actor.user_id, initiator_id=by)
            return detail(connection, key, wanted)

        if "\x00" in ident:
            raise HTTPException(404, _NOT_THERE)
        try:
            found = await site.store.read(found_in)
        except (UnknownSession, UnknownThread) as error:
            raise HTTPException(404, _NOT_THERE) from error
        except SharedSessionId as error:
            raise HTTPException(
                404, "Several people have a session with this id. Open it from the list of sessions."
            ) from error
        session = found.session
        threads = [
            _view(thread, first=_first(request) if wanted.only_id else 0, most=_PRINTED if printing else _STEPS)
            for thread in found.threads
        ]
        return renderer.answer(
            request,
            "session",
            lambda: session_shapes.detail(found),
            session=session,
            threads=threads,
            tool_calls=sum(thread.tool_calls for thread in threads),
            side_requests=wanted.side_requests,
            alone=wanted.only_id,
            printing=printing,
            cut=0 if printing else _CUT,
            now=renderer.clock(),
            origin=f"{address(site, request)}/ai-gateway/sessions/{segment(session.id)}?by={session.initiator_id}",
            extra=("&side=1" if wanted.side_requests else "") + ("&print=1" if printing else ""),
            milliseconds=(session.ended_at - session.started_at).total_seconds() * 1000,
            ways=_ways(found, wanted),
        )

    return [Route("/ai-gateway/sessions/{id:path}", show, methods=["GET"])]


def _wanted(request: Request, *, limit: int) -> ThreadRange:
    asked = {name: _uuid(request.query_params.get(name, "")) for name in ("thread", "after", "before")}
    only, after = asked["thread"], asked["after"]
    return ThreadRange(
        only_id=only,
        after_id=None if only else after,
        before_id=None if only or after else asked["before"],
        limit=limit,
        side_requests=bool(request.query_params.get("side")),
    )


def _first(request: Request) -> int:
    asked = request.query_params.get("from", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 0


def _view(thread: Thread, *, first: int, most: int) -> ThreadView:
    seen = thread.steps
    parts = (seen.user_prompts, seen.model_thoughts or {}, seen.tool_usages, seen.token_usages)
    steps = [
        Step(row, _lane(row, thread), *(part.get(row["id"], []) for part in parts))
        for row in seen.interceptions[first : first + most]
    ]
    return ThreadView(thread, steps, first=first, count=len(seen.interceptions), most=most)


def _lane(row: Row, thread: Thread) -> Lane:
    whole = max((thread.ended_at - thread.started_at).total_seconds() * 1000, 1)
    start = (row["started_at"] - thread.started_at).total_seconds() * 1000
    took = row["duration_ms"] or 0
    wait = min(row["time_to_first_byte_ms"] or 0, took)
    return Lane(*(round(part / whole * 100, 2) for part in (start, wait, took - wait)))


def _ways(found: SessionDetail, wanted: ThreadRange) -> dict[str, str]:
    """From which threads on there may be more, earlier and later; empty for none."""
    threads = found.threads
    if wanted.only_id or not threads:
        return {"earlier": "", "later": ""}
    full = len(threads) == wanted.limit
    return {
        "earlier": threads[0].id if wanted.after_id or (wanted.before_id and full) else "",
        "later": threads[-1].id if wanted.before_id or full else "",
    }


def _uuid(text: str) -> str | None:
    return text.lower() if _UUID.fullmatch(text.lower()) else None
