"""Providers as the operator set them: the typed result, and what holds for every one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from aigateway.settings.bedrock import BedrockSettings
from aigateway.settings.errors import Problem
from aigateway.settings.secret import Secret

RESERVED_NAMES = frozenset({"interceptions", "sessions", "models", "clients", "providers", "keys", "serve", "proxy"})
"""The words of the management routes, which a provider of that name would hide behind (decision 21)."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


class ProviderType(StrEnum):
    """What a provider speaks, and how it is paid (control-plane spec 1.4)."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    COPILOT = "copilot"


DEFAULT_BASE_URLS: Mapping[ProviderType, str] = {
    ProviderType.OPENAI: "https://api.openai.com/v1/",
    ProviderType.ANTHROPIC: "https://api.anthropic.com/",
    ProviderType.COPILOT: "https://api.individual.githubcopilot.com",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One provider instance."""

    type: ProviderType
    name: str
    """The route segment: lower-case words joined by single hyphens, unique, none of the management routes' words."""
    base_url: str
    """Absolute http or https URL without credentials, query or fragment, as the operator wrote it."""
    keys: tuple[Secret, ...] = ()
    """Centralized credentials in the order they are tried; empty for BYOK only, always empty for Copilot."""
    bedrock: BedrockSettings | None = None
    """Set when it is called on Amazon Bedrock, which only `anthropic` ones are, with AWS's credentials and no keys."""
    stream_usage: bool = True
    """Whether Chat streams that do not ask for their usage are made to ask; of no effect but on `openai` ones."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each part came from: `type`, `name`, `base_url`, `keys` → a variable, a flag, a YAML path or `default`."""


class UnusableProvider(msgspec.Struct, frozen=True):
    """One that is set, but cannot serve anybody."""

    provider: ProviderSettings
    reason: str
    """Why, and what to do; the end of a sentence about it."""


class ProvidersRead(msgspec.Struct, frozen=True):
    """What one way of configuring providers yields."""

    providers: tuple[ProviderSettings, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def name_refusal(name: str) -> str | None:
    """Why `name` cannot be a provider's name and what to do, or None when it can."""
    if not _NAME.fullmatch(name):
        return "not a provider name; write words of a-z and 0-9 joined by single hyphens, for example openai-eu"
    if name in RESERVED_NAMES:
        return f"is a word of the gateway's own routes; choose a name other than {', '.join(sorted(RESERVED_NAMES))}"
    return None
