"""The providers `openai` and `anthropic`, configured by options of their own (control-plane spec 1.4)."""

from __future__ import annotations

from collections.abc import Mapping

from aigateway.settings.bedrock_reading import Environment, read_bedrock
from aigateway.settings.errors import Problem
from aigateway.settings.numbered import Written
from aigateway.settings.providers import DEFAULT_BASE_URLS, ProviderSettings, ProvidersRead, ProviderType
from aigateway.settings.resolve import DEFAULT, Resolved
from aigateway.settings.secret import Secret

_BEDROCK_PARTS = ("base_url", "region", "model", "small_fast_model", "role_arn", "external_id", "protocol")
_PUTS_ON_BEDROCK = ("region", "base_url", "access_key", "access_key_secret", "role_arn")
"""The two models have defaults, and do not count."""


def implicit_providers(resolved: Mapping[str, Resolved], bedrock: Environment) -> ProvidersRead:
    """Return those that are configured: by a key, by a base URL that is not the default one, or on Bedrock."""
    openai, anthropic = (_implicit(type_, resolved) for type_ in (ProviderType.OPENAI, ProviderType.ANTHROPIC))
    on_bedrock = _on_bedrock(resolved, bedrock)
    providers = (openai, *(on_bedrock.providers or (anthropic,)))
    problems = (*on_bedrock.problems, *_conflicts(resolved))
    return ProvidersRead(tuple(each for each in providers if each), problems, on_bedrock.warnings)


def _implicit(type_: ProviderType, resolved: Mapping[str, Resolved]) -> ProviderSettings | None:
    key, url = resolved[f"{type_}.key"], resolved[f"{type_}.base_url"]
    base_url = url.value if isinstance(url.value, str) else DEFAULT_BASE_URLS[type_]
    keys = (key.value,) if isinstance(key.value, Secret) else ()
    if not keys and base_url.rstrip("/") == DEFAULT_BASE_URLS[type_].rstrip("/"):
        return None
    origin = key.source if keys else url.source
    sources = {"type": origin, "name": origin, "base_url": url.source, "keys": key.source if keys else DEFAULT}
    asks = type_ is not ProviderType.OPENAI or resolved["openai.stream_usage"].value is not False
    return ProviderSettings(
        type=type_, name=type_.value, base_url=base_url, keys=keys, stream_usage=asks, sources=sources
    )


def _trigger(resolved: Mapping[str, Resolved]) -> str | None:
    """The option that puts the provider `anthropic` on Bedrock, as the operator wrote it."""
    options = (resolved[f"bedrock.{part}"] for part in _PUTS_ON_BEDROCK)
    return next((option.source for option in options if option.source != DEFAULT and option.value is not None), None)


def _conflicts(resolved: Mapping[str, Resolved]) -> tuple[Problem, ...]:
    key, trigger = resolved["anthropic.key"], _trigger(resolved)
    if trigger is None or not isinstance(key.value, Secret):
        return ()
    return (Problem(key.source, None, f"cannot be set together with {trigger}; remove one of them"),)


def _on_bedrock(resolved: Mapping[str, Resolved], environment: Environment) -> ProvidersRead:
    trigger = _trigger(resolved)
    if trigger is None:
        return ProvidersRead()
    options = {part: resolved[f"bedrock.{part}"] for part in _BEDROCK_PARTS}
    parts = {
        part.upper(): Written(option.source, option.value)
        for part, option in options.items()
        if option.source != DEFAULT and isinstance(option.value, str) and option.value
    }
    key, secret = resolved["bedrock.access_key"], resolved["bedrock.access_key_secret"]
    pair = [each.value for each in (key, secret) if isinstance(each.value, Secret)]
    problems: tuple[Problem, ...] = ()
    if len(pair) == 1:
        there, missing = (key, "access-key-secret") if key.value else (secret, "access-key")
        message = f"is half of a pair; set --ai-gateway-bedrock-{missing} too"
        problems = (Problem(there.source, None, message),)
    read = read_bedrock(
        parts,
        lambda part: f"--ai-gateway-bedrock-{part.lower().replace('_', '-')}",
        pair[:1] if len(pair) == 2 else (),
        pair[1:],
        environment,
    )
    base_url = options["base_url"] if "BASE_URL" in parts else options["region"]
    sources = {"type": trigger, "name": trigger, "base_url": base_url.source, "keys": key.source}
    provider = ProviderSettings(
        type=ProviderType.ANTHROPIC,
        name=ProviderType.ANTHROPIC.value,
        base_url=read.base_url,
        bedrock=read.settings,
        sources=sources,
    )
    return ProvidersRead((provider,), (*problems, *read.problems), read.warnings)
