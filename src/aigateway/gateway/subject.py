"""Step 6, first part: whose request it is that goes on record."""

from __future__ import annotations

from aigateway.audit.recorder import Subject
from aigateway.gateway.request import Request
from aigateway.providers.credential import Credential
from aigateway.settings.providers import ProviderType

_TYPES = {kind: kind.value for kind in ProviderType}
"""Asking an enumeration's member for its value is a call of Python's."""


def subject_of(request: Request, credential: Credential, requested_model: str | None = None) -> Subject:
    """Say who asks, with whose credential, of which provider and on what way."""
    provider = request.route.provider
    return Subject(
        initiator_id=request.actor.user_id,
        username=request.actor.username,
        api_key_id=request.actor.api_key_id,
        provider_type=_TYPES[provider.type],
        provider_name=provider.name,
        credential_kind=credential.kind,
        credential_hint=credential.hint,
        user_agent=request.headers.get("user-agent", ""),
        method=request.method,
        route=provider.routes.prefix + request.route.path,
        requested_model=requested_model,
    )
