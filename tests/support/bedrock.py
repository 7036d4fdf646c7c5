"""A provider that calls a fake Bedrock."""

from __future__ import annotations

from aigateway.providers.provider import Provider, build
from aigateway.settings.bedrock import AccessKey, BedrockProtocol, BedrockSettings
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret
from tests.support.fake_bedrock import ACCESS_KEY, REGION, SECRET

PAIR = AccessKey(Secret(ACCESS_KEY), Secret(SECRET))


def on_bedrock(url: str, *, path: str = "", keys: tuple[AccessKey, ...] = (PAIR,), **settings) -> Provider:
    """An anthropic provider with the defaults that the settings room would fill in."""
    bedrock = BedrockSettings(
        **{"protocol": BedrockProtocol.INVOKE, "region": REGION, "access_keys": keys} | settings  # type: ignore[arg-type]
    )
    return build(
        ProviderSettings(type=ProviderType.ANTHROPIC, name="anthropic", base_url=url + path, keys=(), bedrock=bedrock)
    )
