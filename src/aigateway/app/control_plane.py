"""The control plane: REST under `/api/`, and pages for people everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aigateway.accounts.service import Accounts
from aigateway.app.asgi import Asgi
from aigateway.app.services import Services
from aigateway.settings.model import Address, Settings
from aigateway.settings.shown import Effective

if TYPE_CHECKING:
    from aigateway.web.site import Oidc


def control_plane(settings: Settings, effective: Effective, services: Services) -> Asgi:
    """Both as one application. Their frameworks are imported here, for half a second that the data plane can spare."""
    from aigateway.api.app import create_api  # noqa: PLC0415 - slow to import
    from aigateway.api.services import Services as Served  # noqa: PLC0415 - knows the framework
    from aigateway.app.attention import notices  # noqa: PLC0415 - knows pages
    from aigateway.web.app import create_web  # noqa: PLC0415 - slow to import
    from aigateway.web.site import Site  # noqa: PLC0415 - knows pages
    from aigateway.web.walls import OIDC_CALLBACK  # noqa: PLC0415 - the same

    accounts = Accounts(
        services.store,
        services.authenticator,
        settings.tokens,
        passwords_of_owners_only=settings.disable_password_auth,
    )
    served = Served(
        accounts=accounts,
        store=services.store,
        statuses=services.provider_states.statuses,
        probe=services.prober.probe,
        oidc_text=settings.oidc.sign_in_text if settings.oidc else None,
        tools=services.tools,
    )
    api: Asgi = create_api(served, services.authenticator)
    site = Site(
        accounts=accounts,
        authenticator=services.authenticator,
        store=services.store,
        providers=services.providers,
        oidc=_oidc(settings, services),
        settings=effective,
        access_url=settings.http.access_url,
        is_exposed=not all(address.is_loopback for address in _addresses(settings)),
        enabled=settings.gateway.enabled,
        allow_byok=settings.gateway.allow_byok,
        statuses=services.provider_states.statuses,
        tools=services.tools,
        probe=services.prober.probe,
        notices=lambda: notices(settings, services),
    )
    web: Asgi = create_web(site)

    async def both(scope: Any, receive: Any, send: Any) -> None:
        is_rest = scope["path"].startswith("/api/") and scope["path"] != OIDC_CALLBACK
        await (api if is_rest else web)(scope, receive, send)

    return both


def _addresses(settings: Settings) -> list[Address]:
    http = settings.http
    return [http.address, http.tls.address] if http.tls else [http.address]


def _oidc(settings: Settings, services: Services) -> Oidc | None:
    """Signing in at the operator's OpenID provider, which is not asked before somebody does."""
    oidc = settings.oidc
    if oidc is None:
        return None
    from aigateway.accounts.linked_sign_in import LinkedSignIn, SignUps  # noqa: PLC0415 - seldom configured
    from aigateway.accounts.oidc.flow import OpenIdConnect  # noqa: PLC0415 - with libraries that only it needs
    from aigateway.web.site import Oidc  # noqa: PLC0415 - knows pages
    from aigateway.web.walls import OIDC_CALLBACK  # noqa: PLC0415 - the same

    return Oidc(
        flow=OpenIdConnect(oidc, f"{settings.http.access_url}{OIDC_CALLBACK}"),
        people=LinkedSignIn(
            services.store,
            services.authenticator,
            settings.tokens.session_duration,
            SignUps(oidc.allow_signups, oidc.signups_disabled_text),
        ),
        text=oidc.sign_in_text,
    )
