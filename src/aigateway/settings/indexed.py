"""Providers from numbered variables: `CODER_AI_GATEWAY_PROVIDER_<N>_<KEY>` (control-plane spec 1.4).

Every row of the specification's table of parsing rules is one check here and one test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aigateway.settings.bedrock import BedrockSettings
from aigateway.settings.bedrock_reading import Environment, read_bedrock
from aigateway.settings.errors import Problem, SensitiveValueError
from aigateway.settings.kinds import parse_secret, parse_switch, parse_url
from aigateway.settings.numbered import Entry, Family, entries, written
from aigateway.settings.providers import (
    DEFAULT_BASE_URLS,
    ProviderSettings,
    ProvidersRead,
    ProviderType,
    name_refusal,
)
from aigateway.settings.resolve import DEFAULT
from aigateway.settings.secret import Secret

NEW_PREFIX = "CODER_AI_GATEWAY_PROVIDER_"
OLD_PREFIX = "CODER_AIBRIDGE_PROVIDER_"
MAX_KEYS = 100
"""Decision 25: large sites spread load over many keys."""

_KEY_NAMES = ("KEY", "KEYS")
_ACCESS_KEY_NAMES = ("BEDROCK_ACCESS_KEY", "BEDROCK_ACCESS_KEYS")
_ACCESS_SECRET_NAMES = ("BEDROCK_ACCESS_KEY_SECRET", "BEDROCK_ACCESS_KEY_SECRETS")
_BEDROCK_NAMES = (
    "BEDROCK_BASE_URL",
    "BEDROCK_REGION",
    *_ACCESS_KEY_NAMES,
    *_ACCESS_SECRET_NAMES,
    "BEDROCK_MODEL",
    "BEDROCK_SMALL_FAST_MODEL",
    "BEDROCK_ROLE_ARN",
    "BEDROCK_EXTERNAL_ID",
    "BEDROCK_PROTOCOL",
)
_PARTS = ("TYPE", "NAME", "BASE_URL", "STREAM_USAGE", *_KEY_NAMES, *_BEDROCK_NAMES)
_BEDROCK_TYPE = "bedrock"
"""A later version's word for an `anthropic` provider on Bedrock."""
_FAMILY = Family(
    one="a provider",
    parts=_PARTS,
    example="TYPE",
    without_effect={"DUMP_DIR": "API dumps are set for all providers at once, by CODER_AI_GATEWAY_DUMP_DIR"},
)


def indexed_providers(environ: Mapping[str, str], implicit: Mapping[str, str], bedrock: Environment) -> ProvidersRead:
    """Read every numbered provider, in the order of the numbers.

    Args:
        environ: the environment; only variables with one of the two prefixes are looked at.
        implicit: what configures each implicit provider, by the provider's name, which is then taken.
        bedrock: what those on Bedrock need to know.
    """
    problems: list[Problem] = []
    warnings: list[str] = []
    providers = []
    for entry in _entries(environ, problems, warnings):
        found: list[Problem] = []
        provider = _provider(entry, bedrock, found, warnings)
        problems += found
        if provider:
            providers.append(provider)
    problems += _name_conflicts(providers, implicit)
    return ProvidersRead(tuple(providers), tuple(problems), tuple(warnings))


def _entries(environ: Mapping[str, str], problems: list[Problem], warnings: list[str]) -> list[Entry]:
    """The variables by number, under the one prefix that is in use."""
    variables = written(environ)
    old = [variable for variable in variables if variable.name.startswith(OLD_PREFIX)]
    new = [variable for variable in variables if variable.name.startswith(NEW_PREFIX)]
    if old and new:
        both = f"providers are numbered under {NEW_PREFIX} too; rename this one and its like to {NEW_PREFIX}…"
        problems.append(Problem(old[0].name, None, both))
        old = []
    if old:
        warnings.append(f"{old[0].name} has an old prefix, which still works; use {NEW_PREFIX}… instead.")
    return entries(_FAMILY, OLD_PREFIX if old else NEW_PREFIX, old or new, problems, warnings)


def _provider(
    entry: Entry, environment: Environment, problems: list[Problem], warnings: list[str]
) -> ProviderSettings | None:
    type_ = _type(entry, problems)
    if type_ is None:
        return None
    name = _name(entry, problems)
    base_url = _base_url(entry, type_, problems)
    keys = _credentials(entry, _KEY_NAMES, problems)
    problems += _key_conflicts(entry, type_)
    stream_usage = _stream_usage(entry, type_, problems)
    bedrock = None
    sources = {
        "type": entry.parts["TYPE"].name,
        "name": entry.source("NAME"),
        "base_url": entry.source("BASE_URL"),
        "keys": entry.source(*_KEY_NAMES),
    }
    if on_bedrock := _bedrock(entry, type_, environment, problems, warnings):
        base_url, bedrock = on_bedrock
        sources |= {
            "base_url": entry.source("BEDROCK_BASE_URL", "BEDROCK_REGION"),
            "keys": entry.source(*_ACCESS_KEY_NAMES),
        }
    if problems:
        return None
    return ProviderSettings(
        type=type_,
        name=name,
        base_url=base_url,
        keys=keys,
        bedrock=bedrock,
        stream_usage=stream_usage,
        sources=sources,
    )


def _type(entry: Entry, problems: list[Problem]) -> ProviderType | None:
    variable = entry.parts.get("TYPE")
    if variable is None:
        message = f"provider {entry.index} has no type; set it to one of {', '.join(ProviderType)}"
        problems.append(Problem(entry.called("TYPE"), None, message))
        return None
    if variable.value == _BEDROCK_TYPE:
        return ProviderType.ANTHROPIC
    if variable.value not in set(ProviderType):
        message = f"provider {entry.index} cannot have this type; write one of {', '.join(ProviderType)}"
        problems.append(Problem(variable.name, variable.value, message))
        return None
    return ProviderType(variable.value)


def _name(entry: Entry, problems: list[Problem]) -> str:
    variable = entry.parts.get("NAME")
    if variable is None:
        return entry.parts["TYPE"].value
    if refusal := name_refusal(variable.value):
        problems.append(Problem(variable.name, variable.value, refusal))
    return variable.value


def _base_url(entry: Entry, type_: ProviderType, problems: list[Problem]) -> str:
    variable = entry.parts.get("BASE_URL")
    if variable is None:
        return DEFAULT_BASE_URLS[type_]
    try:
        return parse_url(variable.value)
    except ValueError as error:
        hidden = isinstance(error, SensitiveValueError)
        problems.append(Problem(variable.name, None if hidden else variable.value, str(error)))
        return variable.value


def _stream_usage(entry: Entry, type_: ProviderType, problems: list[Problem]) -> bool:
    variable = entry.parts.get("STREAM_USAGE")
    if variable is None:
        return True
    if type_ is not ProviderType.OPENAI:
        message = f"is for openai providers, and provider {entry.index} is {type_}; unset it"
        problems.append(Problem(variable.name, None, message))
        return True
    try:
        return parse_switch(variable.value)
    except ValueError as error:
        problems.append(Problem(variable.name, variable.value, str(error)))
        return True


def _credentials(entry: Entry, names: tuple[str, ...], problems: list[Problem]) -> tuple[Secret, ...]:
    """Read a comma-separated list of secrets; `names` are two names for the same list."""
    variable = entry.first_of(names)
    if variable is None:
        return ()
    if all(name in entry.parts for name in names):
        message = f"means the same as {entry.parts[names[1]].name}, which is set too; remove one"
        problems.append(Problem(variable.name, None, message))
    secrets: list[Secret] = []
    for position, text in enumerate(variable.value.split(","), 1):
        try:
            secret = parse_secret(text)
        except ValueError as error:
            problems.append(Problem(variable.name, None, f"number {position} of the list {error}"))
            continue
        if secret is None:
            problems.append(
                Problem(variable.name, None, f"number {position} of the list is empty; remove the comma too much")
            )
        elif secret in secrets:
            message = f"number {position} of the list repeats number {secrets.index(secret) + 1}; remove one"
            problems.append(Problem(variable.name, None, message))
        else:
            secrets.append(secret)
    count = variable.value.count(",") + 1
    if count > MAX_KEYS:
        problems.append(Problem(variable.name, None, f"holds {count} keys; {MAX_KEYS} are the most for one provider"))
    return tuple(secrets)


def _key_conflicts(entry: Entry, type_: ProviderType) -> Iterator[Problem]:
    key, bedrock = entry.first_of(_KEY_NAMES), entry.first_of(_BEDROCK_NAMES)
    if key and type_ is ProviderType.COPILOT:
        yield Problem(key.name, None, "a copilot provider takes no key, because people bring their own; unset it")
    if key and bedrock and type_ is ProviderType.ANTHROPIC:
        yield Problem(key.name, None, f"cannot be set together with {bedrock.name}; remove one of them")


def _bedrock(
    entry: Entry, type_: ProviderType, environment: Environment, problems: list[Problem], warnings: list[str]
) -> tuple[str, BedrockSettings] | None:
    """The base URL and the rest of a provider on Bedrock; None when it is not there."""
    variable = entry.first_of(_BEDROCK_NAMES)
    if variable is None and entry.parts["TYPE"].value != _BEDROCK_TYPE:
        return None
    if variable is not None and type_ is not ProviderType.ANTHROPIC:
        message = f"is for anthropic providers, and provider {entry.index} is {type_}; unset it"
        problems.append(Problem(variable.name, None, message))
        return None
    found: list[Problem] = []
    keys = _credentials(entry, _ACCESS_KEY_NAMES, found)
    secrets = _credentials(entry, _ACCESS_SECRET_NAMES, found)
    if len(keys) != len(secrets) and not found:
        name = (entry.first_of(_ACCESS_KEY_NAMES) or entry.first_of(_ACCESS_SECRET_NAMES) or entry.parts["TYPE"]).name
        message = f"provider {entry.index} has {len(keys)} Bedrock access keys and {len(secrets)} secrets"
        found.append(Problem(name, None, f"{message}; give each access key its secret, in the same order"))
    parts = {part.removeprefix("BEDROCK_"): written for part, written in entry.parts.items() if part in _BEDROCK_NAMES}
    read = read_bedrock(parts, lambda part: entry.called(f"BEDROCK_{part}"), keys, secrets, environment)
    problems += [*found, *read.problems]
    warnings += read.warnings
    if "BASE_URL" in entry.parts:
        warnings.append(
            f"{entry.parts['BASE_URL'].name} has no effect on a provider on Amazon Bedrock; "
            f"use {entry.called('BEDROCK_BASE_URL')}."
        )
    return read.base_url, read.settings


def _name_conflicts(providers: list[ProviderSettings], implicit: Mapping[str, str]) -> Iterator[Problem]:
    seen: dict[str, ProviderSettings] = {}
    for provider in providers:
        variable = provider.sources["name"]
        variable = provider.sources["type"] if variable == DEFAULT else variable
        if provider.name in implicit:
            message = (
                f"the provider {provider.name} is already configured by {implicit[provider.name]}; remove one of them"
            )
            yield Problem(variable, provider.name, message)
        if provider.name in seen:
            other = seen[provider.name].sources["type"]
            message = (
                f"two providers are called {provider.name}, this one and that of {other}; "
                "give each its own NAME, which providers of the same type need"
            )
            yield Problem(variable, provider.name, message)
        seen.setdefault(provider.name, provider)
