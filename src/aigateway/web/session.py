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
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

_THREADS = 50
_NOT_THERE = "There is no such session that you may see."
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Step:
    """One interception, with what was observed in it."""

    row: Row
    prompts: list[Row]
    thoughts: list[Row]
    tools: list[Row]
    usages: list[Row]

    @property
    def purpose(self) -> str:
        """What a client made it for on its own account; empty for what a person asked (decision 29)."""
        return str((self.row["metadata"] or {}).get("purpose", ""))


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def show(request: Request) -> Response:
        ident = request.path_params["id"].removesuffix("/")
        side_requests = bool(request.query_params.get("side"))
        asked = {name: _uuid(request.query_params.get(name, "")) for name in ("by", "after", "before")}
        wanted = ThreadRange(
            after_id=asked["after"],
            before_id=None if asked["after"] else asked["before"],
            limit=_THREADS,
            side_requests=side_requests,
        )
        actor = request.state.actor
        sees_all = roles.allows(actor.roles, Permission.READ_ALL_INTERCEPTIONS)

        def found_in(connection: Connection) -> SessionDetail:
            key = sessions.find(
                connection, ident, visible_to=None if sees_all else actor.user_id, initiator_id=asked["by"]
            )
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
        return renderer.answer(
            request,
            "session",
            lambda: session_shapes.detail(found),
            session=session,
            threads=[(thread, steps_of(thread)) for thread in found.threads],
            tool_calls=sum(len(step.tools) for thread in found.threads for step in steps_of(thread)),
            side_requests=side_requests,
            milliseconds=(session.ended_at - session.started_at).total_seconds() * 1000,
            ways=_ways(found, wanted),
        )

    return [Route("/ai-gateway/sessions/{id:path}", show, methods=["GET"])]


def steps_of(thread: Thread) -> list[Step]:
    """The interceptions of a thread, each with its own."""
    seen = thread.steps
    parts = (seen.user_prompts, seen.model_thoughts or {}, seen.tool_usages, seen.token_usages)
    return [Step(row, *(part.get(row["id"], []) for part in parts)) for row in seen.interceptions]


def _ways(found: SessionDetail, wanted: ThreadRange) -> dict[str, str]:
    """From which threads on there may be more, earlier and later; empty for none."""
    threads = found.threads
    full = len(threads) == _THREADS
    return {
        "earlier": threads[0].id if threads and (wanted.after_id or (wanted.before_id and full)) else "",
        "later": threads[-1].id if threads and (wanted.before_id or full) else "",
    }


def _uuid(text: str) -> str | None:
    return text.lower() if _UUID.fullmatch(text.lower()) else None
