"""The providers of this server, and how they do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aigateway.accounts import roles
from aigateway.accounts.errors import Missing, Refused
from aigateway.accounts.roles import Permission
from aigateway.providers.provider import Provider
from aigateway.providers.status import BreakerStatus, KeyStatus, ProbedTooSoon
from aigateway.settings.providers import ProviderType
from aigateway.store.failures import Failure, last_failures
from aigateway.store.times import rfc3339
from aigateway.web import forms
from aigateway.web.rendering import Renderer
from aigateway.web.site import Site

_LOOKED_BACK = timedelta(hours=24)
_FAILURES = 3
"""Of each provider: to see what is wrong now. The record has all."""


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

    async def show(request: Request, *, status: int = 200, **view: Any) -> Response:
        if not roles.allows(request.state.actor.roles, Permission.READ_SERVER_STATE):
            raise Refused("Your roles do not allow you to see the server's providers. Ask an owner or an auditor.")
        found = views(site)
        failures = await site.store.read(_failures, [one.name for one in found], renderer.clock() - _LOOKED_BACK)
        return renderer.answer(
            request,
            "providers",
            lambda: [_twin(one, failures[one.name]) for one in found],
            status=status,
            providers=found,
            failures=failures,
            enabled=site.enabled,
            **{"tested": None} | view,
        )

    async def test(request: Request) -> Response:
        await forms.read(request)
        if not roles.allows(request.state.actor.roles, Permission.TEST_PROVIDERS):
            raise Refused("Your roles do not allow you to test providers. Ask an owner.")
        try:
            tested = await site.probe(request.path_params["name"])
        except ProbedTooSoon as error:
            return await show(request, status=429, error=str(error))
        if tested is None:
            raise Missing("There is no such provider.")
        if request.state.json:
            return JSONResponse(asdict(tested) | {"at": rfc3339(tested.at)})
        # No redirect: what came of it is in this answer only.
        return await show(request, tested=tested)

    return [
        Route("/providers", show, methods=["GET"]),
        Route("/providers/{name}/test", test, methods=["POST"]),
    ]


def _failures(connection: Connection, names: list[str], since: datetime) -> dict[str, list[Failure]]:
    return {name: last_failures(connection, name, since=since, limit=_FAILURES) for name in names}


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


def _twin(view: ProviderView, failures: list[Failure]) -> dict[str, Any]:
    keys, breakers = (
        [asdict(one) | {"until": None if one.until is None else rfc3339(one.until)} for one in some]
        for some in (view.keys, view.breakers)
    )
    failed = [asdict(failure) | {"started_at": rfc3339(failure.started_at)} for failure in failures]
    return asdict(view) | {"keys": keys, "breakers": breakers, "last_failures": failed}
