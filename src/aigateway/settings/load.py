"""From what the operator wrote to typed settings, or to the list of everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from aigateway.settings.bedrock_models import ModelsFileError, ModelTable, read_models
from aigateway.settings.bedrock_reading import Environment
from aigateway.settings.consistency import inconsistencies
from aigateway.settings.errors import ConfigurationError, Problem
from aigateway.settings.implicit import implicit_providers
from aigateway.settings.indexed import indexed_providers
from aigateway.settings.model import (
    CircuitBreakerSettings,
    GatewaySettings,
    HttpSettings,
    LoggingSettings,
    MetricsSettings,
    OidcSettings,
    Settings,
    TlsSettings,
    TokenSettings,
    ToolLimits,
    TracingSettings,
)
from aigateway.settings.options import OPTIONS
from aigateway.settings.providers import ProviderSettings, ProvidersRead, ProviderType, UnusableProvider
from aigateway.settings.resolve import DEFAULT, Resolved, Sources, resolve
from aigateway.settings.server_options import CONFIG
from aigateway.settings.tool_servers import tool_servers
from aigateway.settings.tools import ToolServerSettings
from aigateway.settings.unknown import YAML_KEYS, unknown_flags, unknown_keys, unknown_variables
from aigateway.settings.yaml_values import YamlFile

_Section = TypeVar("_Section")

_NO_KEY = "it has no key, and people must not bring their own; set its key, or --ai-gateway-allow-byok"


class Loaded(NamedTuple):
    """Usable settings, and what the operator should hear about them all the same."""

    settings: Settings
    warnings: tuple[str, ...]
    resolved: Mapping[str, Resolved]
    """Each option of the table by its field, with its value in effect and what set it."""


def load(flags: Mapping[str, Sequence[str]], environ: Mapping[str, str]) -> Loaded:
    """Work out the settings from the command line (each flag with the values given), variables and the YAML file.

    Raises:
        ConfigurationError: with every problem of every source at once.
    """
    file = _yaml_file(flags, environ)
    sources = Sources(flags, environ, file.values)
    resolved = {option.field: resolve(option, sources) for option in OPTIONS}
    providers = _providers(resolved, environ)
    servers = tool_servers(environ, file.values)
    problems = [
        *file.problems,
        *unknown_flags(flags),
        *unknown_keys(file.values),
        *(problem for item in resolved.values() for problem in item.problems),
        *inconsistencies(resolved),
        *providers.problems,
        *servers.problems,
    ]
    if not problems:
        for field, value in _worked_out(resolved, environ, problems):
            resolved[field] = replace(resolved[field], value=value)
    if problems:
        raise ConfigurationError(problems)
    values = {field: item.value for field, item in resolved.items()}
    settings = _settings(values, providers.providers, servers.servers)
    warnings = (
        *(warning for item in resolved.values() for warning in item.warnings),
        *unknown_variables(environ),
        *providers.warnings,
        *servers.warnings,
        *(f"The provider {each.provider.name} is skipped: {each.reason}." for each in settings.unusable_providers),
    )
    return Loaded(settings, warnings, resolved)


def default_data_dir(environ: Mapping[str, str], *, dev: bool) -> Path:
    """Where state is kept when the operator does not say (XDG Base Directory Specification).

    Raises:
        RuntimeError: when no home folder is known.
    """
    base = environ.get("XDG_DATA_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path("~/.local/share").expanduser()
    return root / ("aigateway-dev" if dev else "aigateway")


def _yaml_file(flags: Mapping[str, Sequence[str]], environ: Mapping[str, str]) -> YamlFile:
    config = resolve(CONFIG, Sources(flags, environ))
    if not config.value:
        return YamlFile({})
    from aigateway.settings.yaml_file import read_yaml  # noqa: PLC0415 - slow to import, and most have no file

    return read_yaml(Path(str(config.value)), config.source, YAML_KEYS)


def _providers(resolved: Mapping[str, Resolved], environ: Mapping[str, str]) -> ProvidersRead:
    models, problems = _models(resolved["bedrock.models_file"])
    bedrock = Environment(
        models=models,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
    )
    implicit = implicit_providers(resolved, bedrock)
    named = {provider.name: provider.sources["name"] for provider in implicit.providers}
    indexed = indexed_providers(environ, named, bedrock)
    return ProvidersRead(
        implicit.providers + indexed.providers,
        problems + implicit.problems + indexed.problems,
        implicit.warnings + indexed.warnings,
    )


def _models(file: Resolved) -> tuple[ModelTable | None, tuple[Problem, ...]]:
    if not isinstance(file.value, Path):
        return None, ()
    try:
        return read_models(file.value), ()
    except ModelsFileError as error:
        return None, (Problem(file.source, str(file.value), f"{error}; see docs/bedrock.md"),)


def _worked_out(
    resolved: Mapping[str, Resolved], environ: Mapping[str, str], problems: list[Problem]
) -> Iterator[tuple[str, object]]:
    """The values that follow from others, or from the machine, when the operator did not say."""
    dev = bool(resolved["dev"].value)
    if dev and resolved["gateway.enabled"].source == DEFAULT:
        yield "gateway.enabled", True
    if resolved["data_dir"].value is None:
        try:
            yield "data_dir", default_data_dir(environ, dev=dev)
        except RuntimeError:
            problems.append(Problem("--data-dir", None, "has no default, because the home folder is not known; set it"))
    longest = resolved["tokens.max_lifetime"]
    if _duration(resolved["tokens.default_lifetime"]) > _duration(longest):
        yield "tokens.default_lifetime", longest.value


def _duration(resolved: Resolved) -> timedelta:
    return resolved.value if isinstance(resolved.value, timedelta) else timedelta()


def _settings(
    values: Mapping[str, Any], providers: tuple[ProviderSettings, ...], servers: tuple[ToolServerSettings, ...]
) -> Settings:
    parts = {
        **values,
        "http.tls": _if_enabled(TlsSettings, "tls", values),
        "oidc": _section(OidcSettings, "oidc", values) if values["oidc.issuer_url"] else None,
        "gateway.circuit_breaker": _if_enabled(CircuitBreakerSettings, "breaker", values),
    }
    byok = values["gateway.allow_byok"]
    unusable = tuple(
        UnusableProvider(provider, _NO_KEY) for provider in providers if not _can_serve(provider, byok=byok)
    )
    return Settings(
        http=_section(HttpSettings, "http", parts),
        gateway=_section(GatewaySettings, "gateway", parts),
        tokens=_section(TokenSettings, "tokens", parts),
        oidc=parts["oidc"],
        disable_password_auth=values["disable_password_auth"],
        logging=_section(LoggingSettings, "logging", parts),
        metrics=_section(MetricsSettings, "metrics", parts),
        tracing=_section(TracingSettings, "tracing", parts),
        tools=_section(ToolLimits, "tools", parts),
        tool_servers=servers,
        data_dir=values["data_dir"],
        postgres_url=values["postgres_url"],
        external_token_encryption_keys=values["external_token_encryption_keys"],
        workers=values["workers"],
        dev=values["dev"],
        providers=tuple(provider for provider in providers if _can_serve(provider, byok=byok)),
        unusable_providers=unusable,
    )


def _section(section: Callable[..., _Section], name: str, values: Mapping[str, Any]) -> _Section:
    """Fill a section of the settings with the options whose field begins with its name."""
    prefix = f"{name}."
    return section(**{key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)})


def _if_enabled(section: Callable[..., _Section], name: str, values: Mapping[str, Any]) -> _Section | None:
    """Fill a section that has a switch of its own, or leave it out."""
    switch = f"{name}.enabled"
    others = {key: value for key, value in values.items() if key != switch}
    return _section(section, name, others) if values[switch] else None


def _can_serve(provider: ProviderSettings, *, byok: bool) -> bool:
    """A provider without a key needs people to bring theirs; Copilot's people always do, AWS's signs."""
    return bool(provider.keys) or byok or provider.type is ProviderType.COPILOT or provider.bedrock is not None
