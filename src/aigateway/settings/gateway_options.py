"""The options of the gateway itself: group `ai_gateway` of the YAML file (control-plane spec 1.2)."""

from __future__ import annotations

from aigateway.settings import kinds
from aigateway.settings.bedrock import DEFAULT_MODEL, DEFAULT_SMALL_FAST_MODEL
from aigateway.settings.kinds import Kind
from aigateway.settings.model import AuditFailure, OnDisconnect
from aigateway.settings.option import Group, Names, Option
from aigateway.settings.providers import DEFAULT_BASE_URLS, ProviderType


def _gateway(
    name: str,
    kind: Kind,
    default: str | None,
    text: str,
    *,
    renamed: bool,
    field: str | None = None,
    yaml: str | None = None,
    group: Group = Group.GATEWAY,
    hidden: bool = False,
    ignored: bool = False,
    env: str | None = None,
    also: str | None = None,
) -> Option:
    """A row whose names all follow from one; `renamed` when it is older than they (control-plane spec 1.1)."""
    env, key = env or name.replace("-", "_").upper(), yaml or name.replace("-", "_")
    old_names = Names(f"--aibridge-{name}", f"CODER_AIBRIDGE_{env}", f"aibridge.{key}")
    return Option(
        field=field or f"gateway.{name.replace('-', '_')}",
        names=Names(f"--ai-gateway-{name}", f"CODER_AI_GATEWAY_{env}", f"ai_gateway.{key}", also=also),
        old_names=old_names if renamed else None,
        kind=kind,
        default=default,
        help=text,
        group=group,
        hidden=hidden,
        ignored=ignored,
    )


def _bedrock(
    part: str,
    kind: Kind,
    default: str | None,
    text: str,
    *,
    renamed: bool,
    env: str | None = None,
    yaml: str | None = None,
    also: str | None = None,
) -> Option:
    """A row about the provider `anthropic` on Amazon Bedrock."""
    name = f"bedrock-{part}"
    field = f"bedrock.{(yaml or name.replace('-', '_')).removeprefix('bedrock_')}"
    return _gateway(
        name, kind, default, text, renamed=renamed, field=field, yaml=yaml, group=Group.PROVIDERS, env=env, also=also
    )


GATEWAY_OPTIONS: tuple[Option, ...] = (
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
        "rate-limit",
        kinds.LIMIT,
        "0",
        "How many requests a second each token may make; those above get 429. 0 for no limit.",
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
        "shutdown-delay",
        kinds.PERIOD,
        "0s",
        "How long the server serves on when it is told to stop, with /readyz saying no, so that balancers notice.",
        renamed=False,
    ),
    _gateway(
        "on-disconnect",
        kinds.choice(OnDisconnect),
        "cancel",
        "When a client goes away in the middle of an answer: close the connection to the provider at once, or read on "
        "for at most 30 s to learn what the answer used.",
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
        "openai-stream-usage",
        kinds.SWITCH,
        "true",
        "Ask the provider `openai` for the usage of Chat streams whose client did not ask, and hold that back from "
        "the client. Off, the usage of such streams stays unknown.",
        field="openai.stream_usage",
        group=Group.PROVIDERS,
        renamed=False,
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
    _bedrock(
        "region",
        kinds.WORD_OR_NONE,
        None,
        "AWS region of Amazon Bedrock, which then serves the provider `anthropic`: "
        "`https://bedrock-runtime.<region>.amazonaws.com`.",
        renamed=True,
    ),
    _bedrock(
        "base-url",
        kinds.URL_OR_NONE,
        None,
        "Full URL of Amazon Bedrock, or of a proxy before it; wins over the region.",
        renamed=True,
    ),
    _bedrock(
        "access-key",
        kinds.SECRET,
        None,
        "Access key of an IAM user for Amazon Bedrock. Without one, AWS's default credential chain is used.",
        renamed=True,
    ),
    _bedrock("access-key-secret", kinds.SECRET, None, "The secret of that access key.", renamed=True),
    _bedrock(
        "model",
        kinds.WORD_OR_NONE,
        DEFAULT_MODEL,
        "Model on Amazon Bedrock that is asked whatever model the client names: an id, or an inference profile's ARN.",
        renamed=True,
    ),
    _bedrock(
        "small-fastmodel",
        kinds.WORD_OR_NONE,
        DEFAULT_SMALL_FAST_MODEL,
        "Model on Amazon Bedrock that is asked when the client names one of the Haiku class. "
        "The flag may be written `--ai-gateway-bedrock-small-fast-model` too.",
        renamed=True,
        env="BEDROCK_SMALL_FAST_MODEL",
        yaml="bedrock_small_fast_model",
        also="--ai-gateway-bedrock-small-fast-model",
    ),
    _bedrock(
        "role-arn",
        kinds.WORD_OR_NONE,
        None,
        "Role that the gateway assumes to call Amazon Bedrock, with the access key or the default chain's identity.",
        renamed=False,
    ),
    _bedrock("external-id", kinds.WORD_OR_NONE, None, "External id to show when that role is assumed.", renamed=False),
    _bedrock(
        "protocol",
        kinds.WORD_OR_NONE,
        None,
        "`invoke` for bedrock-runtime, `mantle` for the Messages API of bedrock-mantle. "
        "Unless set, it follows from the base URL.",
        renamed=False,
    ),
    _bedrock(
        "models-file",
        kinds.FILE_OR_NONE,
        None,
        "TOML file that says what families of models on Amazon Bedrock accept, on top of what is known already.",
        renamed=False,
    ),
    _gateway(
        "send-actor-headers",
        kinds.SWITCH,
        "false",
        "Tell providers who asks, in the headers below, with each request that is recorded.",
        group=Group.PROVIDERS,
        renamed=True,
    ),
    _gateway(
        "actor-header-id",
        kinds.actor_header("X-AI-Bridge-Actor-ID"),
        "X-AI-Bridge-Actor-ID",
        "The header that carries the account's UUID. Empty for none.",
        group=Group.PROVIDERS,
        renamed=False,
    ),
    _gateway(
        "actor-header-username",
        kinds.actor_header("X-AI-Bridge-Actor-Metadata-Username"),
        "X-AI-Bridge-Actor-Metadata-Username",
        "The header that carries the account's user name. Empty for none.",
        group=Group.PROVIDERS,
        renamed=False,
    ),
    _gateway(
        "actor-header-email",
        kinds.actor_header("X-AI-Bridge-Actor-Metadata-Email"),
        "",
        "The header that carries the account's e-mail address. Empty for none.",
        group=Group.PROVIDERS,
        renamed=False,
    ),
    _gateway(
        "circuit-breaker-enabled",
        kinds.SWITCH,
        "false",
        "Spare a provider that is overloaded: answer 503 at once for the endpoint and model that fails.",
        field="breaker.enabled",
        group=Group.PROVIDERS,
        renamed=True,
    ),
    _gateway(
        "circuit-breaker-failure-threshold",
        kinds.COUNT,
        "5",
        "How many failures in a row open the circuit breaker.",
        field="breaker.failure_threshold",
        group=Group.PROVIDERS,
        renamed=True,
        hidden=True,
    ),
    _gateway(
        "circuit-breaker-interval",
        kinds.LIFETIME,
        "10s",
        "After how long failures are forgotten while the circuit breaker is closed.",
        field="breaker.interval",
        group=Group.PROVIDERS,
        renamed=True,
        hidden=True,
    ),
    _gateway(
        "circuit-breaker-timeout",
        kinds.LIFETIME,
        "30s",
        "How long the circuit breaker stays open before it lets requests try again.",
        field="breaker.timeout",
        group=Group.PROVIDERS,
        renamed=True,
        hidden=True,
    ),
    _gateway(
        "circuit-breaker-max-requests",
        kinds.COUNT,
        "3",
        "How many requests may try when the circuit breaker has been open long enough.",
        field="breaker.max_requests",
        group=Group.PROVIDERS,
        renamed=True,
        hidden=True,
    ),
    _gateway(
        "retention",
        kinds.TIMEOUT,
        "60d",
        "How long records of requests are kept. 0 for ever.",
        group=Group.RECORDS,
        renamed=True,
    ),
    _gateway(
        "structured-logging",
        kinds.SWITCH,
        "false",
        "Log every record too, with the message `interception log`. Prompts are then in the log.",
        group=Group.RECORDS,
        renamed=True,
    ),
    _gateway(
        "audit-failure",
        kinds.choice(AuditFailure),
        "block",
        "When a request cannot be put on record (disk full, journal at its largest size): refuse it with 503, "
        "or serve it unrecorded and count it.",
        group=Group.RECORDS,
        renamed=False,
    ),
    _gateway(
        "journal-max-size",
        kinds.SIZE,
        "10GiB",
        "How large the journal of one process may grow while the database is away; then no new request can be put on "
        "record.",
        group=Group.RECORDS,
        renamed=False,
    ),
    _gateway(
        "dump-dir",
        kinds.FOLDER_OR_NONE,
        "",
        "Write each request to a provider and its answer to files in this folder, for short diagnostic sessions: "
        "they hold prompts and answers. Empty for none.",
        yaml="api_dump_dir",
        group=Group.RECORDS,
        renamed=False,
    ),
    _gateway(
        "dump-max-file-size",
        kinds.SIZE,
        "64MiB",
        "The largest dump file; the rest of a larger one is left out.",
        group=Group.RECORDS,
        renamed=False,
    ),
    _gateway(
        "dump-max-total-size",
        kinds.SIZE,
        "1GiB",
        "How much all dump files together may hold; then dumping stops.",
        group=Group.RECORDS,
        renamed=False,
    ),
    _gateway(
        "inject-coder-mcp-tools",
        kinds.SWITCH,
        "false",
        "Accepted so that a configuration can be copied; it adds no tools, MCP servers do.",
        field="ignored.inject_coder_mcp_tools",
        renamed=True,
        ignored=True,
    ),
)
