"""What stands before every route: who asks, and that a browser was not tricked into asking.

A route is closed unless it is in `PUBLIC`, so a new one starts closed.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aigateway.accounts.authenticate import Authenticator
from aigateway.api.errors import DATABASE_AWAY, INTERNAL, refusal
from aigateway.store.engine import StoreUnavailable
from aigateway.telemetry.logging import get_logger

_log = get_logger("api")

PUBLIC = frozenset(
    {
        ("GET", "/api/v2/buildinfo"),
        ("GET", "/api/v2/users/authmethods"),
        ("GET", "/api/v2/users/first"),
        ("POST", "/api/v2/users/first"),
        ("POST", "/api/v2/users/login"),
    }
)
"""The methods and paths that need no session. Every other is answered 401 without one, whether it exists or not."""

MAX_BODY_SIZE = 1 << 20
"""Bytes. What people send here are small forms."""

SESSION_COOKIE = "coder_session_token"
_SESSION_HEADER = "coder-session-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """An ASGI application that lets requests through to another, with the actor in `request.state.actor`."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or let through."""
        if scope["type"] != "http":
            return  # No lifespan to take part in, and no WebSockets here; the server refuses what is not answered.
        if (scope["method"], scope["path"]) in PUBLIC:
            await self._pass(scope, receive, send)
            return
        headers = Headers(scope=scope)
        token, from_cookie = credential(headers)
        try:
            actor = await self._authenticator.authenticate(token) if token else None
        except StoreUnavailable:
            await DATABASE_AWAY(scope, receive, send)
            return
        if actor is None:
            detail = "Send a valid token in the Coder-Session-Token header. `aigateway login` gets one."
            await refusal(401, "You are not signed in.", detail)(scope, receive, send)
            return
        if from_cookie and scope["method"] not in _SAFE_METHODS and not is_same_origin(headers):
            detail = (
                "A change that is signed in by cookie must come from a page of this server. "
                "Programs: send the token in the Coder-Session-Token header."
            )
            await refusal(403, "This request came from another site.", detail)(scope, receive, send)
            return
        await self._pass({**scope, "state": {**scope.get("state", {}), "actor": actor}}, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, and answer for a mistake of ours without showing it."""
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, _bounded(receive), note_start)
        except Exception:  # noqa: BLE001  # whatever it is, it is logged and answered, and the server goes on
            _log.exception("request failed", method=scope["method"], path=scope["path"])
            if not started:
                await INTERNAL(scope, receive, send)


def _bounded(receive: Receive) -> Receive:
    """The same body, refused where it grows too large."""
    taken = 0

    async def take() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_SIZE:
            raise HTTPException(413, f"The body is larger than {MAX_BODY_SIZE} bytes.")
        return message

    return take


def credential(headers: Headers) -> tuple[str, bool]:
    """The token of a request, and whether it is a cookie. The first one that is there counts."""
    if token := headers.get(_SESSION_HEADER, "").strip():
        return token, False
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip(), False
    return _cookie(headers), True


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of this server sent it; browsers say so in headers that pages cannot set.

    W3C Fetch Metadata Request Headers section 2.3, and RFC 6454 section 7 for those that lack them.
    """
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = headers.get("origin", "")
    return bool(origin) and origin.partition("://")[2] == headers.get("host")
