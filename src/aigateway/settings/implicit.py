"""The providers `openai` and `anthropic`, configured by options of their own (control-plane spec 1.4)."""

from __future__ import annotations

from collections.abc import Mapping

from aigateway.settings.errors import Problem
from aigateway.settings.providers import (
    BEDROCK_MISSING,
    DEFAULT_BASE_URLS,
    ProviderSettings,
    ProvidersRead,
    ProviderType,
)
from aigateway.settings.resolve import DEFAULT, Resolved
from aigateway.settings.secret import Secret

BEDROCK_VARIABLES = tuple(
    f"{prefix}_BEDROCK_{key}"
    for prefix in ("CODER_AI_GATEWAY", "CODER_AIBRIDGE")
    for key in ("REGION", "BASE_URL", "ACCESS_KEY", "ACCESS_KEY_SECRET")
)


def implicit_providers(resolved: Mapping[str, Resolved], environ: Mapping[str, str]) -> ProvidersRead:
    """Return those that are configured: by a key, or by a base URL that is not the default one."""
    found = (_implicit(type_, resolved) for type_ in (ProviderType.OPENAI, ProviderType.ANTHROPIC))
    problems = tuple(Problem(name, None, BEDROCK_MISSING) for name in BEDROCK_VARIABLES if environ.get(name))
    return ProvidersRead(tuple(provider for provider in found if provider), problems)


def _implicit(type_: ProviderType, resolved: Mapping[str, Resolved]) -> ProviderSettings | None:
    key, url = resolved[f"{type_}.key"], resolved[f"{type_}.base_url"]
    base_url = url.value if isinstance(url.value, str) else DEFAULT_BASE_URLS[type_]
    keys = (key.value,) if isinstance(key.value, Secret) else ()
    if not keys and base_url.rstrip("/") == DEFAULT_BASE_URLS[type_].rstrip("/"):
        return None
    origin = key.source if keys else url.source
    sources = {"type": origin, "name": origin, "base_url": url.source, "keys": key.source if keys else DEFAULT}
    return ProviderSettings(type=type_, name=type_.value, base_url=base_url, keys=keys, sources=sources)
