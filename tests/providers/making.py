"""Providers for tests."""

from __future__ import annotations

from aigateway.providers.provider import Provider, build
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret


def provider(
    type_="openai", *, name="", base_url="https://up.example/v1/", keys=("sk-central-0123456789abcdef",), **more
) -> Provider:
    return build(
        ProviderSettings(
            type=ProviderType(type_),
            name=name or type_,
            base_url=base_url,
            keys=tuple(Secret(key) for key in keys),
            **more,
        )
    )
