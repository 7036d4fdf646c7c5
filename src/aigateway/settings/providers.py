"""Providers as the operator set them: the typed result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aigateway.settings.secret import Secret


class ProviderType(StrEnum):
    """What a provider speaks, and how it is paid (control-plane spec 1.4)."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    COPILOT = "copilot"


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
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each part came from: `type`, `name`, `base_url`, `keys` → a variable, a flag, a YAML path or `default`."""
