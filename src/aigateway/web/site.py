"""What the pages are made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aigateway.accounts.authenticate import Authenticator
from aigateway.accounts.service import Accounts
from aigateway.providers.provider import Provider
from aigateway.providers.status import Probe, ProviderStatus
from aigateway.settings.shown import Effective
from aigateway.store.engine import Store
from aigateway.tools.service import ToolService

if TYPE_CHECKING:
    from aigateway.accounts.linked_sign_in import LinkedSignIn
    from aigateway.accounts.oidc.flow import OpenIdConnect


@dataclass(frozen=True, slots=True)
class Oidc:
    """Signing in at an OpenID provider. Its modules are imported only where the operator named one."""

    flow: OpenIdConnect
    people: LinkedSignIn
    text: str
    """What the button is called."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that an operator should see to."""

    what: str
    """What is wrong, in a sentence."""
    todo: str
    """What to do about it, in a sentence."""


async def _nothing_to_probe(_name: str) -> Probe | None:
    return None


async def _all_is_well() -> list[Notice]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The services behind the pages of one server."""

    accounts: Accounts
    authenticator: Authenticator
    store: Store
    providers: Mapping[str, Provider]
    """By name."""
    oidc: Oidc | None = None
    """None where people sign in with passwords only."""
    access_url: str | None = None
    """The address by which people reach the server, without a trailing slash; None when the operator named none."""
    is_exposed: bool = False
    """Whether other machines can connect."""
    enabled: bool = True
    """Whether the data plane serves."""
    allow_byok: bool = True
    statuses: Callable[[], Sequence[ProviderStatus]] = tuple
    """How the providers do now, in the process that answers."""
    tools: ToolService = field(default_factory=ToolService)
    """The MCP servers, and people's accounts there."""
    settings: Effective = field(default_factory=Effective)
    """As they were when the server started, for those who may read them."""
    probe: Callable[[str], Awaitable[Probe | None]] = _nothing_to_probe
    """Calls a provider to test it; None for one that is not there. Raises `ProbedTooSoon`."""
    notices: Callable[[], Awaitable[list[Notice]]] = _all_is_well
    """What needs attention now, for those who may read the server's state."""
