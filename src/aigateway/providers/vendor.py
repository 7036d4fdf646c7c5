"""Upstreams of type `openai` that want something more than the type says, known by the host of their base URL."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from aigateway.settings.providers import ProviderSettings, ProviderType

_AZURE_DOMAINS = (".openai.azure.com", ".cognitiveservices.azure.com")
_CHATGPT_HOST = "chatgpt.com"


class Vendor(StrEnum):
    """Who runs it."""

    AZURE = "azure"
    """Azure OpenAI (decision 26): keys are shown as `api-key` too, and the API is below `/openai/v1`."""
    CHATGPT = "chatgpt"
    """ChatGPT's own backend, which knows people by their login and takes no key (control-plane spec 1.4)."""


def vendor_of(settings: ProviderSettings) -> Vendor | None:
    """The vendor; None for most, about whom there is nothing to know."""
    if settings.type is not ProviderType.OPENAI:
        return None
    host = urlsplit(settings.base_url).hostname or ""
    if host.endswith(_AZURE_DOMAINS):
        return Vendor.AZURE
    return Vendor.CHATGPT if host == _CHATGPT_HOST else None


def base_path_of(vendor: Vendor | None, configured: str) -> str:
    """The path of the base URL, without a slash at its end: as it is set, or where nothing is, the vendor's."""
    path = configured.rstrip("/")
    return "/openai/v1" if vendor is Vendor.AZURE and not path else path
