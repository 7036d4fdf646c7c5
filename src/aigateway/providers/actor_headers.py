"""Telling providers who asks (control-plane spec 1.6): off by default, and never more than the operator named."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from aigateway.providers.headers import OwnHeaders
from aigateway.settings.model import GatewaySettings
from aigateway.settings.providers import ProviderType


@dataclass(frozen=True, slots=True)
class ActorHeaders:
    """The names of the headers, lower-case; None for what is not told."""

    user_id: bytes | None = None
    username: bytes | None = None
    email: bytes | None = None
    withheld: OwnHeaders = field(init=False, compare=False)
    """For requests that tell nothing: those that pass through, and all of Copilot. A client's own copies go too."""

    def __post_init__(self) -> None:
        names = (self.user_id, self.username, self.email)
        object.__setattr__(self, "withheld", tuple((name, None) for name in names if name is not None))

    def telling(self, provider: ProviderType, user_id: str, username: str, email: str | None) -> OwnHeaders:
        """What `provider` is told about an account; a service account has no e-mail address to tell."""
        if not self.withheld or provider is ProviderType.COPILOT:
            return self.withheld
        told = ((self.user_id, user_id), (self.username, username), (self.email, email))
        return tuple((name, _value(value)) for name, value in told if name is not None)


def actor_headers(settings: GatewaySettings) -> ActorHeaders:
    """The headers that the operator wants; none at all unless they are switched on."""
    if not settings.send_actor_headers:
        return ActorHeaders()
    names = (settings.actor_header_id, settings.actor_header_username, settings.actor_header_email)
    return ActorHeaders(*(name.lower().encode() if name else None for name in names))


def _value(text: str | None) -> bytes | None:
    """An address may hold what a header cannot (RFC 9110 section 5.5): that is percent-encoded."""
    if not text:
        return None
    return (text if text.isascii() and text.isprintable() else quote(text, safe="@+")).encode()
