"""One upstream that is ready to be called."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aigateway.providers.credential import Credential
from aigateway.providers.edit import EditFor
from aigateway.providers.pool import KeyPool
from aigateway.providers.routes import ROUTES, RouteTable
from aigateway.providers.signer import Signer
from aigateway.providers.stream_usage import StreamUsage
from aigateway.providers.vendor import Vendor, base_path_of, vendor_of
from aigateway.settings.providers import ProviderSettings, ProviderType
from aigateway.settings.secret import Secret


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider instance. Made by `build`; all of it is valid."""

    type: ProviderType
    name: str
    origin: str
    """Scheme, host and port: `https://api.openai.com`."""
    base_path: str
    """Begins with a slash and does not end in one; empty for none."""
    keys: tuple[Secret, ...]
    routes: RouteTable
    signers: tuple[Signer, ...] = ()
    """What signs its requests, in the order they are tried, where it takes no keys; empty for most."""
    edit_for: EditFor | None = None
    """Decides which requests get a declared edit; None where none ever does."""
    vendor: Vendor | None = None
    pool: KeyPool = field(init=False, compare=False)
    """How its keys or signers do, by their place among them."""
    shown: dict[int, Credential] = field(init=False, compare=False, repr=False)
    """Its keys as requests show them, by their place, made when first wanted."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pool", KeyPool(len(self.signers or self.keys)))
        object.__setattr__(self, "shown", {})

    @property
    def takes_logins_alone(self) -> bool:
        """Whether it never has a key, because people call it with their own login."""
        return self.type is ProviderType.COPILOT

    def url(self, path: str, query: str) -> str:
        """The upstream URL of a path behind the routes' prefix; path and query go up as the client encoded them."""
        return f"{self.origin}{self.base_path}{path}" + (f"?{query}" if query else "")


def _asks_for_usage(settings: ProviderSettings) -> bool:
    return settings.stream_usage and settings.type is ProviderType.OPENAI


def build(settings: ProviderSettings) -> Provider:
    """Make a provider of checked settings."""
    parts = urlsplit(settings.base_url)
    vendor = vendor_of(settings)
    provider = Provider(
        type=settings.type,
        name=settings.name,
        origin=f"{parts.scheme}://{parts.netloc}",
        base_path=base_path_of(vendor, parts.path),
        keys=settings.keys,
        routes=ROUTES[settings.type],
        vendor=vendor,
        edit_for=StreamUsage(settings.name).edit_for if _asks_for_usage(settings) else None,
    )
    if settings.bedrock is None:
        return provider
    from aigateway.providers.bedrock.build import on_bedrock  # noqa: PLC0415 - it is made of a provider

    return on_bedrock(provider, settings.bedrock)
