"""Signing in at the OpenID provider: to its page, and back from it."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aigateway.accounts.errors import AccountError, ProviderFailed, SignInFailed
from aigateway.accounts.oidc.flow import Attempt
from aigateway.accounts.oidc.identity import Identity
from aigateway.api.errors import STATUSES
from aigateway.api.guard import is_same_origin
from aigateway.telemetry.logging import get_logger
from aigateway.web.rendering import Renderer
from aigateway.web.signin import local, signed_in, signin_page
from aigateway.web.site import Oidc, Site
from aigateway.web.walls import OIDC_CALLBACK

_MINUTES = 10
"""For which an attempt may take, sign-in at the provider included."""

_log = get_logger("accounts.oidc")


def routes(site: Site, renderer: Renderer, oidc: Oidc) -> list[Route]:
    """The pages."""
    pages = _Pages(site, renderer, oidc)
    return [
        Route("/signin/oidc", pages.begin, methods=["GET"]),
        Route("/account/oidc", pages.begin_to_connect, methods=["GET"]),
        Route(OIDC_CALLBACK, pages.come_back, methods=["GET"]),
    ]


class _Pages:
    """A person's way to the provider and back."""

    def __init__(self, site: Site, renderer: Renderer, oidc: Oidc) -> None:
        self._site = site
        self._renderer = renderer
        self._oidc = oidc
        self._secure = (site.access_url or "").startswith("https://")
        # The prefix keeps other servers of the same domain from setting it (RFC 6265bis section 4.1.3.2).
        self._cookie = "__Host-aigateway-signin" if self._secure else "aigateway-signin"

    async def begin(self, request: Request) -> Response:
        """To the provider, to sign in."""
        return await self._to_provider(request, local(request.query_params.get("next", "")))

    async def begin_to_connect(self, request: Request) -> Response:
        """To the provider, to connect the account of somebody who is signed in."""
        # Not a form: browsers do not let a form of ours lead to another server (form-action). So it asks itself.
        if not is_same_origin(request.headers):
            raise HTTPException(403, "This request came from another site. Open Account, and connect there.")
        return await self._to_provider(request, "/account", request.state.actor.user_id)

    async def come_back(self, request: Request) -> Response:
        """From the provider."""
        attempt = Attempt.unsealed(request.cookies.get(self._cookie, ""))
        try:
            identity = await self._oidc.flow.finish(request.query_params, attempt)
            if attempt is not None and attempt.link:
                answer = await self._connected(request, attempt, identity)
            else:
                token = await self._oidc.people.enter(identity)
                answer = signed_in(token, local(attempt.place if attempt else "/"), secure=self._secure)
        except AccountError as error:
            answer = self._refused(request, error)
        # An attempt is good for one answer.
        answer.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="lax")
        return answer

    async def _to_provider(self, request: Request, place: str, link: str = "") -> Response:
        try:
            url, attempt = await self._oidc.flow.begin(place, link)
        except ProviderFailed as error:
            return self._refused(request, error)
        answer = RedirectResponse(url, 303)
        answer.set_cookie(
            self._cookie,
            attempt.sealed(),
            max_age=_MINUTES * 60,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _connected(self, request: Request, attempt: Attempt, identity: Identity) -> Response:
        actor = request.state.actor
        if actor is None or actor.user_id != attempt.link:
            raise SignInFailed(
                "You are not signed in any more as the one who wanted to be connected. Sign in and start again.",
                "callback: another user is signed in",
            )
        await self._oidc.people.connect(actor, identity)
        return RedirectResponse("/account?connected=1", 303)

    def _refused(self, request: Request, error: AccountError) -> Response:
        reason = error.reason if isinstance(error, SignInFailed | ProviderFailed) else type(error).__name__
        address = request.client.host if request.client else ""
        _log.warning("sign-in by OpenID Connect failed", reason=reason, address=address)
        return signin_page(self._site, self._renderer, request, error=str(error), status=STATUSES[type(error)])
