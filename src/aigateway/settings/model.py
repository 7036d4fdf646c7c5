"""The settings of a running server, typed and checked. `settings.load` makes them, `app` hands out parts of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import msgspec

from aigateway.settings.providers import ProviderSettings, UnusableProvider
from aigateway.settings.secret import Secret
from aigateway.settings.tools import ToolServerSettings


class AuditFailure(StrEnum):
    """What becomes of a request that cannot be put on record."""

    BLOCK = "block"
    """It is refused with 503."""
    ALLOW = "allow"
    """It is served, and counted as unrecorded."""


class OnDisconnect(StrEnum):
    """What becomes of a provider's answer whose client has gone."""

    CANCEL = "cancel"
    """The connection to the provider is closed at once."""
    DRAIN = "drain"
    """It is read on for a while, to learn what it used."""


class Address(msgspec.Struct, frozen=True):
    """Where to listen. An empty host means every interface; port 0 lets the system choose."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can connect."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The listener for HTTPS."""

    address: Address
    cert_file: Path
    """PEM; absolute, perhaps not there."""
    key_file: Path
    """PEM; absolute, perhaps not there."""


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The listener, and the address by which people reach it."""

    address: Address
    tls: TlsSettings | None
    """Served besides `address`; None when the operator did not enable it."""
    access_url: str | None
    """Without a trailing slash; None when the operator named none."""


class CircuitBreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When to spare a provider that is overloaded. All positive."""

    failure_threshold: int
    """Failures in a row that open the breaker."""
    interval: timedelta
    """After which failures are forgotten while it is closed."""
    timeout: timedelta
    """How long it stays open before requests may try again."""
    max_requests: int
    """How many may try at once then."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The data plane: whether it serves, what it admits, how long it waits, and what it keeps and tells."""

    enabled: bool
    allow_byok: bool
    max_body_size: int
    """Bytes."""
    max_concurrency: int | None
    """Requests in flight per replica; None for no cap."""
    rate_limit: int | None
    """Requests a second per replica and token; None for no cap."""
    connect_timeout: timedelta | None
    """To connect to a provider, TLS included; None waits for ever, here and below."""
    first_byte_timeout: timedelta | None
    """From the request sent to the first byte of the provider's answer."""
    idle_timeout: timedelta | None
    """Between two pieces of an answer."""
    shutdown_timeout: timedelta
    """For requests in flight when the server is told to stop."""
    shutdown_delay: timedelta
    """Before that, for balancers to notice that `/readyz` says no; new requests are served meanwhile."""
    on_disconnect: OnDisconnect
    circuit_breaker: CircuitBreakerSettings | None
    """None when the operator did not enable it."""
    send_actor_headers: bool
    """Whether providers are told who asks, in the three headers below; each is None when it is not to be sent."""
    actor_header_id: str | None
    actor_header_username: str | None
    actor_header_email: str | None
    retention: timedelta | None
    """How long records live; None for ever."""
    structured_logging: bool
    """Whether records are logged as well."""
    audit_failure: AuditFailure
    journal_max_size: int
    """Bytes of one process's journal, beyond which nothing new is put on record until rows were shipped."""
    dump_dir: Path | None
    """Where API dumps go; absolute, perhaps not there yet; None for no dumps."""
    dump_max_file_size: int
    """Bytes of one dump file."""
    dump_max_total_size: int
    """Bytes of all dump files together."""


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long sessions and tokens live. All positive; the default lifetime is not above the longest."""

    session_duration: timedelta
    default_lifetime: timedelta
    max_lifetime: timedelta
    disable_session_refresh: bool
    """Sessions end at their first expiry, however much they are used."""
    api_keys_retention: timedelta | None
    """How long sessions and tokens are kept after they expired; None for ever."""


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in with OpenID Connect."""

    issuer_url: str
    """As the operator wrote it."""
    client_id: str
    client_secret: Secret | None
    client_secret_file: Path | None
    """At most one of the two is set; without either the client is a public one."""
    scopes: tuple[str, ...]
    auth_url_params: Mapping[str, str]
    ignore_userinfo: bool
    email_domain: tuple[str, ...]
    """In small letters; empty for any."""
    ignore_email_verified: bool
    allow_signups: bool
    signups_disabled_text: str | None
    username_field: str
    name_field: str
    email_field: str
    group_field: str | None
    allowed_groups: tuple[str, ...]
    """Empty for any; otherwise `group_field` is set."""
    user_role_field: str | None
    user_role_mapping: Mapping[str, tuple[str, ...]]
    user_role_default: tuple[str, ...]
    sign_in_text: str


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where log lines go. A destination is a file, `/dev/stderr` or `/dev/stdout`; empty is off."""

    human: str
    json: str
    stackdriver: str
    filter: tuple[re.Pattern[str], ...]
    """Selects debug lines; without any there are none."""


class MetricsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The listener for Prometheus."""

    enabled: bool
    address: Address


class TracingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Traces in OpenTelemetry's form; where they go is for the `OTEL_EXPORTER_*` variables to say."""

    enabled: bool
    honeycomb_api_key: Secret | None
    """When set, traces go to Honeycomb."""
    capture_logs: bool
    """Whether log lines become events of the traces."""


class ToolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What MCP servers and models may ask of the gateway. All positive."""

    max_rounds: int
    """How often a model may call tools again within one request."""
    call_timeout: timedelta
    max_result_size: int
    """Bytes of one answer of a server."""
    catalogue_ttl: timedelta
    """How long a server's list of tools is taken to be fresh."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set, with defaults filled in."""

    http: HttpSettings
    gateway: GatewaySettings
    tokens: TokenSettings
    oidc: OidcSettings | None
    """None when the operator names no provider."""
    disable_password_auth: bool
    """Whether only owners may sign in with a password."""
    logging: LoggingSettings
    metrics: MetricsSettings
    tracing: TracingSettings
    data_dir: Path
    """The folder of the embedded database and the journal; absolute, perhaps not there yet."""
    postgres_url: Secret | None
    """The database; None for the embedded one."""
    external_token_encryption_keys: tuple[Secret, ...]
    """32 bytes in base64, each; the first encrypts what is secret in the database, all decrypt it."""
    workers: int
    """Processes that serve; positive."""
    tools: ToolLimits
    tool_servers: tuple[ToolServerSettings, ...]
    """MCP servers: those with an account for each person first, each kind in its order. Names are unique."""
    dev: bool
    """For trying out: `gateway.enabled` is True unless set, and the server adds simulated providers."""
    providers: tuple[ProviderSettings, ...]
    """Implicit ones first, then indexed ones in their order. Names are unique."""
    unusable_providers: tuple[UnusableProvider, ...]
    """Left out of `providers`; the others serve all the same."""
