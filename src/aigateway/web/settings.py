"""The settings in effect, and where each came from."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.errors import Refused
from aigateway.accounts.roles import Permission
from aigateway.settings.shown import Shown
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def show(request: Request) -> Response:
        if not roles.allows(request.state.actor.roles, Permission.READ_SETTINGS):
            raise Refused("Your roles do not allow you to see the server's settings. Ask an owner.")
        q = request.query_params.get("q", "").strip()[:256]
        only_set = bool(request.query_params.get("set"))
        found = [option for option in site.settings.options if _matches(option, q) and (option.is_set or not only_set)]
        return renderer.answer(
            request,
            "settings",
            lambda: {"options": [asdict(option) for option in found], "warnings": list(site.settings.warnings)},
            groups=_grouped(found),
            q=q,
            only_set=only_set,
            warnings=site.settings.warnings,
        )

    return [Route("/settings", show, methods=["GET"])]


def _grouped(options: Iterable[Shown]) -> dict[str, list[Shown]]:
    groups: dict[str, list[Shown]] = {}
    for option in options:
        groups.setdefault(option.group, []).append(option)
    return groups


def _matches(option: Shown, q: str) -> bool:
    texts = (option.name, option.env or "", option.yaml or "", option.help, option.source, option.group)
    words = " ".join((*texts, "" if option.is_secret else option.value)).lower()
    return all(word in words for word in q.lower().split())
