"""The control plane: REST under `/api/`, and pages for people everywhere else."""

from __future__ import annotations

from typing import Any

from aigateway.accounts.service import Accounts
from aigateway.app.asgi import Asgi
from aigateway.app.services import Services
from aigateway.settings.model import Settings


def control_plane(settings: Settings, services: Services) -> Asgi:
    """Both as one application. Their frameworks are imported here, for half a second that the data plane can spare."""
    from aigateway.api.app import create_api  # noqa: PLC0415 - slow to import
    from aigateway.app.attention import notices  # noqa: PLC0415 - knows pages
    from aigateway.web.app import create_web  # noqa: PLC0415 - slow to import
    from aigateway.web.site import Site  # noqa: PLC0415 - knows pages

    accounts = Accounts(services.store, services.authenticator, settings.tokens)
    api: Asgi = create_api(
        accounts=accounts,
        authenticator=services.authenticator,
        store=services.store,
        statuses=services.provider_states.statuses,
    )
    site = Site(
        accounts=accounts,
        authenticator=services.authenticator,
        store=services.store,
        providers=services.providers,
        access_url=settings.http.access_url,
        enabled=settings.gateway.enabled,
        allow_byok=settings.gateway.allow_byok,
        statuses=services.provider_states.statuses,
        notices=lambda: notices(settings, services),
    )
    web: Asgi = create_web(site)

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await (api if scope["path"].startswith("/api/") else web)(scope, receive, send)

    return both
