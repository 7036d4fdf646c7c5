"""The one table of options. A new setting is a new row here, a field in `model.py`, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aigateway.settings import kinds
from aigateway.settings.kinds import Kind
from aigateway.settings.providers import DEFAULT_BASE_URLS, ProviderType


class Group(StrEnum):
    """The headings of the help and of the documentation, in their order."""

    NETWORK = "Network"
    GATEWAY = "AI Gateway"
    PROVIDERS = "Providers"
    ACCOUNTS = "Sessions and tokens"
    LOGGING = "Logging"
    SERVER = "Server"


@dataclass(frozen=True, slots=True)
class Names:
    """How an option is called in each source; None where it cannot be set."""

    flag: str
    env: str | None = None
    yaml: str | None = None
    """The path of keys, joined by dots."""
    short: str | None = None
    """A one-letter flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One row: everything that the program knows about a setting."""

    field: str
    """Where the value goes: a path in `Settings`, or what the loader asks for by name."""
    names: Names
    old_names: Names | None = None
    """The names from before the rename, which still work (control-plane spec 1.1)."""
    kind: Kind
    default: str | None
    """As an operator would write it; None for nothing."""
    default_text: str | None = None
    """What the help says of a default that is worked out."""
    help: str
    group: Group
    hidden: bool = False
    """Not in the help."""


def _gateway(
    name: str,
    kind: Kind,
    default: str | None,
    text: str,
    *,
    renamed: bool,
    field: str | None = None,
    group: Group = Group.GATEWAY,
) -> Option:
    """A row of the gateway's own settings, whose names all follow from one; `renamed` when it is older than they."""
    env, yaml = name.replace("-", "_").upper(), name.replace("-", "_")
    old_names = Names(f"--aibridge-{name}", f"CODER_AIBRIDGE_{env}", f"aibridge.{yaml}")
    return Option(
        field=field or f"gateway.{yaml}",
        names=Names(f"--ai-gateway-{name}", f"CODER_AI_GATEWAY_{env}", f"ai_gateway.{yaml}"),
        old_names=old_names if renamed else None,
        kind=kind,
        default=default,
        help=text,
        group=group,
    )


CONFIG = Option(
    field="config",
    names=Names("--config", "CODER_CONFIG_PATH", short="-c"),
    kind=kinds.FILE,
    default=None,
    help="A YAML file to read settings from. Flags and variables win over it.",
    group=Group.SERVER,
)

OPTIONS: tuple[Option, ...] = (
    Option(
        field="http.address",
        names=Names("--http-address", "CODER_HTTP_ADDRESS", "networking.http.httpAddress"),
        kind=kinds.ADDRESS,
        default="127.0.0.1:3000",
        help="Where to listen. Without a host: on every interface.",
        group=Group.NETWORK,
    ),
    Option(
        field="http.access_url",
        names=Names("--access-url", "CODER_ACCESS_URL", "networking.accessURL"),
        kind=kinds.SITE,
        default=None,
        help="The URL by which people reach this server, for the addresses that it prints.",
        group=Group.NETWORK,
    ),
    _gateway("enabled", kinds.SWITCH, "false", "Serve the AI Gateway. While off, its routes answer 404.", renamed=True),
    _gateway(
        "allow-byok",
        kinds.SWITCH,
        "true",
        "Let people bring their own key: it goes to the provider in place of the organisation's.",
        renamed=True,
    ),
    _gateway(
        "max-concurrency",
        kinds.LIMIT,
        "0",
        "How many requests may be in flight at once; those above get 503. 0 for no limit.",
        renamed=True,
    ),
    _gateway(
        "max-body-size",
        kinds.SIZE,
        "64MiB",
        "The largest request body; a larger one gets 413.",
        renamed=False,
    ),
    _gateway(
        "connect-timeout",
        kinds.TIMEOUT,
        "10s",
        "How long connecting to a provider may take. 0 for no limit.",
        renamed=False,
    ),
    _gateway(
        "first-byte-timeout",
        kinds.TIMEOUT,
        "10m",
        "How long a provider may think before its answer begins. 0 for no limit.",
        renamed=False,
    ),
    _gateway(
        "idle-timeout",
        kinds.TIMEOUT,
        "10m",
        "How long an answer that has begun may pause. 0 for no limit.",
        renamed=False,
    ),
    _gateway(
        "shutdown-timeout",
        kinds.PERIOD,
        "30s",
        "How long requests in flight may go on when the server is told to stop.",
        renamed=False,
    ),
    _gateway(
        "openai-base-url",
        kinds.URL,
        DEFAULT_BASE_URLS[ProviderType.OPENAI],
        "Base URL of the provider `openai`. Another one than the default registers the provider even without a key.",
        field="openai.base_url",
        group=Group.PROVIDERS,
        renamed=True,
    ),
    _gateway(
        "openai-key",
        kinds.SECRET,
        None,
        "API key of the provider `openai`, and what registers it.",
        field="openai.key",
        group=Group.PROVIDERS,
        renamed=True,
    ),
    _gateway(
        "anthropic-base-url",
        kinds.URL,
        DEFAULT_BASE_URLS[ProviderType.ANTHROPIC],
        "Base URL of the provider `anthropic`. Another one than the default registers the provider even without a key.",
        field="anthropic.base_url",
        group=Group.PROVIDERS,
        renamed=True,
    ),
    _gateway(
        "anthropic-key",
        kinds.SECRET,
        None,
        "API key of the provider `anthropic`, and what registers it.",
        field="anthropic.key",
        group=Group.PROVIDERS,
        renamed=True,
    ),
    Option(
        field="tokens.session_duration",
        names=Names("--session-duration", "CODER_SESSION_DURATION", "networking.http.sessionDuration"),
        kind=kinds.LIFETIME,
        default="24h",
        help="How long a sign-in lasts, counted from its last use.",
        group=Group.ACCOUNTS,
    ),
    Option(
        field="tokens.disable_session_refresh",
        names=Names(
            "--disable-session-expiry-refresh",
            "CODER_DISABLE_SESSION_EXPIRY_REFRESH",
            "networking.http.disableSessionExpiryRefresh",
        ),
        kind=kinds.SWITCH,
        default="false",
        help="Count the session duration from the sign-in instead, so that use does not extend it.",
        group=Group.ACCOUNTS,
    ),
    Option(
        field="tokens.default_lifetime",
        names=Names("--default-token-lifetime", "CODER_DEFAULT_TOKEN_LIFETIME", "defaultTokenLifetime"),
        kind=kinds.LIFETIME,
        default="168h",
        help="How long a token lives when its maker does not say.",
        group=Group.ACCOUNTS,
    ),
    Option(
        field="tokens.max_lifetime",
        names=Names("--max-token-lifetime", "CODER_MAX_TOKEN_LIFETIME", "networking.http.maxTokenLifetime"),
        kind=kinds.LIFETIME,
        default="876600h",
        help="The longest life that a token may be given.",
        group=Group.ACCOUNTS,
    ),
    Option(
        field="logging.human",
        names=Names("--log-human", "CODER_LOGGING_HUMAN", "introspection.logging.humanPath"),
        kind=kinds.FILE,
        default="/dev/stderr",
        help="Where log lines for people go: a file, /dev/stderr or /dev/stdout. Empty for nowhere.",
        group=Group.LOGGING,
    ),
    Option(
        field="logging.json",
        names=Names("--log-json", "CODER_LOGGING_JSON", "introspection.logging.jsonPath"),
        kind=kinds.FILE,
        default="",
        help="Where log lines for programs go, one JSON object each. Empty for nowhere.",
        group=Group.LOGGING,
    ),
    Option(
        field="logging.filter",
        names=Names("--log-filter", "CODER_LOG_FILTER", "introspection.logging.filter", short="-l"),
        kind=kinds.PATTERNS,
        default=None,
        help="Write the debug lines that match too, searched in `logger: message`. May be repeated; `.*` for all.",
        group=Group.LOGGING,
    ),
    CONFIG,
    Option(
        field="data_dir",
        names=Names("--data-dir", "CODER_AI_GATEWAY_DATA_DIR", "ai_gateway.data_dir"),
        kind=kinds.FOLDER,
        default=None,
        default_text="$XDG_DATA_HOME/aigateway, else ~/.local/share/aigateway; with --dev …/aigateway-dev",
        help="The folder of the embedded database and of the journal.",
        group=Group.SERVER,
    ),
    Option(
        field="dev",
        names=Names("--dev"),
        kind=kinds.SWITCH,
        default="false",
        help="For trying out: enables the gateway, adds simulated providers, makes an account and a token, "
        "and prints commands to paste.",
        group=Group.SERVER,
    ),
)
