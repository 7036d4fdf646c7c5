"""What stands before every page: who asks, that no other site tricked them into it, and what browsers must not do.

A page is closed unless it is in `OPEN`, so a new one starts closed.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aigateway.api.errors import DATABASE_AWAY, refusal
from aigateway.api.guard import credential, is_same_origin
from aigateway.store.engine import StoreUnavailable
from aigateway.telemetry.logging import get_logger
from aigateway.web.assets import PREFIX as STATIC
from aigateway.web.site import Site

_log = get_logger("web")

OIDC_CALLBACK = "/api/v2/users/oidc/callback"
"""The one page below `/api/`: where an OpenID provider sends people back to, as documented."""
OPEN = frozenset({"/signin", "/signin/oidc", OIDC_CALLBACK, "/setup"})
"""Pages that need no session; style and script need none either."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer` browsers send `Origin: null` with forms (Fetch Standard, "append a request Origin header"),
    # by which a page of this server could not be told from another's. Other sites are told nothing by this one either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Walls:
    """Lets requests through to the pages, with `actor`, `session_token` and `json` in `request.state`."""

    def __init__(self, pages: ASGIApp, site: Site) -> None:
        self._pages = pages
        self._site = site
        self._https = (site.access_url or "").startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return  # Neither lifespan nor WebSockets here; the server refuses what is not answered.
        headers = Headers(scope=scope)
        path, json = _twin(scope["path"], headers)
        state = {"actor": None, "session_token": "", "json": json}
        inner = {**scope, "path": path, "state": {**scope.get("state", {}), **state}}
        careful = self._careful(send, scope)
        answer: ASGIApp = self._pages
        try:
            answer = await self._admit(inner, headers) or self._pages
        except StoreUnavailable:
            answer = DATABASE_AWAY
        try:
            await answer(inner, receive, careful)
        except Exception:  # noqa: BLE001  # whatever it is, the page said so already, and the server goes on
            _log.exception("page failed", method=scope["method"], path=scope["path"])

    async def _admit(self, scope: Scope, headers: Headers) -> Response | None:
        """Note who asks; the answer when they may not go on."""
        path = scope["path"]
        if path.startswith(STATIC):
            return None
        token, from_cookie = credential(headers)
        actor = await self._site.authenticator.authenticate(token) if token else None
        changes = scope["method"] not in _SAFE_METHODS
        if changes and (from_cookie or actor is None) and not is_same_origin(headers):
            return refusal(
                403, "This request came from another site.", "Open the page of this server, and send the form there."
            )
        if actor is not None:
            scope["state"] |= {"actor": actor, "session_token": token}
            return None
        if path in OPEN:
            return None
        if scope["state"]["json"]:
            detail = "Send a valid token in the Coder-Session-Token header, or sign in."
            return refusal(401, "You are not signed in.", detail)
        if not await self._site.accounts.people.is_anybody_there():
            return RedirectResponse("/setup", 303)
        wanted = (
            "/"
            if changes
            else quote(path) + (f"?{query}" if (query := scope["query_string"].decode("latin-1")) else "")
        )
        return RedirectResponse("/signin" if wanted == "/" else "/signin?" + urlencode({"next": wanted}), 303)

    def _careful(self, send: Send, scope: Scope) -> Send:
        """The same, with what browsers must hear in every answer."""

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                headers.add_vary_header("Accept, Cookie")
                if self._https or scope.get("scheme") == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        return careful


def is_secure(request: Request) -> bool:
    """Whether the person's browser speaks TLS, perhaps to a proxy before this server: it says so in `Origin`."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _twin(path: str, headers: Headers) -> tuple[str, bool]:
    """The page's own path, and whether its twin in JSON is asked for."""
    if path.startswith(STATIC):
        return path, False
    if path.endswith(".json"):
        return path.removesuffix(".json") or "/", True
    accepted = headers.get("accept", "")
    return path, "application/json" in accepted and "text/html" not in accepted
