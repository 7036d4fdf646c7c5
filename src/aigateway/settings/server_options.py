"""The options of the server around the gateway, by the names of the documented system (control-plane spec 1.8, 9.4)."""

from __future__ import annotations

from aigateway.settings import kinds
from aigateway.settings.option import Group, Names, Option

CONFIG = Option(
    field="config",
    names=Names("--config", "CODER_CONFIG_PATH", short="-c"),
    kind=kinds.FILE,
    default=None,
    help="A YAML file to read settings from. Flags and variables win over it.",
    group=Group.SERVER,
)


def _other_retention(name: str) -> Option:
    """Retention of what only the documented system keeps."""
    return Option(
        field=f"ignored.{name}_retention",
        names=Names(f"--{name.replace('_', '-')}-retention", f"CODER_{name.upper()}_RETENTION", f"retention.{name}"),
        kind=kinds.TIMEOUT,
        default="0",
        help="Accepted so that a configuration can be copied; no such records are kept.",
        group=Group.SERVER,
        ignored=True,
    )


SERVER_OPTIONS: tuple[Option, ...] = (
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
    Option(
        field="tls.enabled",
        names=Names("--tls-enable", "CODER_TLS_ENABLE", "networking.tls.enable"),
        kind=kinds.SWITCH,
        default="false",
        help="Listen for HTTPS as well. It needs a certificate and its key.",
        group=Group.NETWORK,
    ),
    Option(
        field="tls.address",
        names=Names("--tls-address", "CODER_TLS_ADDRESS", "networking.tls.address"),
        kind=kinds.ADDRESS,
        default="127.0.0.1:3443",
        help="Where to listen for HTTPS.",
        group=Group.NETWORK,
    ),
    Option(
        field="tls.cert_file",
        names=Names("--tls-cert-file", "CODER_TLS_CERT_FILE", "networking.tls.certFiles"),
        kind=kinds.FILE_OR_NONE,
        default=None,
        help="The certificate in PEM form, followed by those that signed it. Read again on SIGHUP.",
        group=Group.NETWORK,
    ),
    Option(
        field="tls.key_file",
        names=Names("--tls-key-file", "CODER_TLS_KEY_FILE", "networking.tls.keyFiles"),
        kind=kinds.FILE_OR_NONE,
        default=None,
        help="The private key of the certificate in PEM form. Read again on SIGHUP.",
        group=Group.NETWORK,
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
        field="tokens.api_keys_retention",
        names=Names("--api-keys-retention", "CODER_API_KEYS_RETENTION", "retention.api_keys"),
        kind=kinds.TIMEOUT,
        default="7d",
        help="How long sessions and tokens that have expired are kept. 0 for ever.",
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
        field="logging.stackdriver",
        names=Names("--log-stackdriver", "CODER_LOGGING_STACKDRIVER", "introspection.logging.stackdriverPath"),
        kind=kinds.FILE,
        default="",
        help="Where log lines in the form of Google Cloud Logging go. Empty for nowhere.",
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
    Option(
        field="metrics.enabled",
        names=Names("--prometheus-enable", "CODER_PROMETHEUS_ENABLE", "introspection.prometheus.enable"),
        kind=kinds.SWITCH,
        default="false",
        help="Serve metrics for Prometheus.",
        group=Group.INTROSPECTION,
    ),
    Option(
        field="metrics.address",
        names=Names("--prometheus-address", "CODER_PROMETHEUS_ADDRESS", "introspection.prometheus.address"),
        kind=kinds.ADDRESS,
        default="127.0.0.1:2112",
        help="Where metrics are served, to anybody who can connect.",
        group=Group.INTROSPECTION,
    ),
    Option(
        field="tracing.enabled",
        names=Names("--trace", "CODER_TRACE_ENABLE", "introspection.tracing.enable"),
        kind=kinds.SWITCH,
        default="false",
        help="Send traces to where the OTEL_EXPORTER_* variables say.",
        group=Group.INTROSPECTION,
    ),
    Option(
        field="tracing.honeycomb_api_key",
        names=Names("--trace-honeycomb-api-key", "CODER_TRACE_HONEYCOMB_API_KEY"),
        kind=kinds.SECRET,
        default=None,
        help="Send traces to Honeycomb with this key.",
        group=Group.INTROSPECTION,
    ),
    Option(
        field="tracing.capture_logs",
        names=Names("--trace-logs", "CODER_TRACE_LOGS", "introspection.tracing.captureLogs"),
        kind=kinds.SWITCH,
        default="false",
        help="Put log lines into the traces.",
        group=Group.INTROSPECTION,
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
        field="workers",
        names=Names("--workers", "CODER_AI_GATEWAY_WORKERS", "ai_gateway.workers"),
        kind=kinds.WORKERS,
        default="1",
        help="How many processes serve, to use more than one core. Each has a port for metrics, one after the other.",
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
    *map(_other_retention, ("audit_logs", "connection_logs", "workspace_agent_logs")),
)
