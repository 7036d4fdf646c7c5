"""The providers of this server, and how they do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.errors import Refused
from aigateway.accounts.roles import Permission
from aigateway.providers.provider import Provider
from aigateway.providers.status import BreakerStatus, KeyStatus
from aigateway.settings.providers import ProviderType
from aigateway.store.times import rfc3339
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site


@dataclass(frozen=True, slots=True)
class ProviderView:
    """One provider, as it may be shown."""

    name: str
    type: str
    base_url: str
    keys: tuple[KeyStatus, ...]
    breakers: tuple[BreakerStatus, ...]
    serves: str
    """Whom it serves."""
    works: bool
    """Whether it can serve anybody."""


def routes(site: Site, renderer: Renderer) -> list[Route]:
    """The pages."""

    async def show(request: Request) -> Response:
        if not roles.allows(request.state.actor.roles, Permission.READ_SERVER_STATE):
            raise Refused("Your roles do not allow you to see the server's providers. Ask an owner or an auditor.")
        found = views(site)
        return renderer.answer(
            request, "providers", lambda: [_twin(view) for view in found], providers=found, enabled=site.enabled
        )

    return [Route("/providers", show, methods=["GET"])]


def views(site: Site) -> list[ProviderView]:
    """Every provider, in the operator's order."""
    statuses = {status.name: status for status in site.statuses()}
    found = []
    for provider in site.providers.values():
        status = statuses.get(provider.name)
        serves, works = _serves(provider, allow_byok=site.allow_byok)
        found.append(
            ProviderView(
                name=provider.name,
                type=provider.type.value,
                base_url=provider.origin + provider.base_path,
                keys=status.keys if status else (),
                breakers=status.breakers if status else (),
                serves=serves,
                works=works,
            )
        )
    return found


def _serves(provider: Provider, *, allow_byok: bool) -> tuple[str, bool]:
    if provider.keys or provider.signers:
        return "everybody", True
    if provider.type is ProviderType.COPILOT:
        return "people with a login of their own", True
    if allow_byok:
        return "people with a key of their own; everybody where the endpoint needs none", True
    return "everybody where the endpoint needs no key; there is none, and people may not bring theirs", False


def _twin(view: ProviderView) -> dict[str, Any]:
    keys, breakers = (
        [asdict(one) | {"until": None if one.until is None else rfc3339(one.until)} for one in some]
        for some in (view.keys, view.breakers)
    )
    return asdict(view) | {"keys": keys, "breakers": breakers}
