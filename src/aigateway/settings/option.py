"""What an option is: how it is called in each source, what it takes, and what it says of itself."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from aigateway.settings.kinds import Kind


class Group(StrEnum):
    """The headings of the help and of the documentation, in their order."""

    NETWORK = "Network"
    GATEWAY = "AI Gateway"
    PROVIDERS = "Providers"
    TOOLS = "MCP tools"
    SIGN_IN = "Sign-in"
    ACCOUNTS = "Sessions and tokens"
    RECORDS = "Records and dumps"
    LOGGING = "Logging"
    INTROSPECTION = "Metrics and traces"
    SERVER = "Server"


class Names(msgspec.Struct, frozen=True):
    """How an option is called in each source; None where it cannot be set."""

    flag: str
    env: str | None = None
    yaml: str | None = None
    """The path of keys, joined by dots."""
    short: str | None = None
    """A one-letter flag."""
    also: str | None = None
    """Another spelling of the flag."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
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
    """Not in the help, because hardly anybody needs it."""
    ignored: bool = False
    """Read so that a configuration of the documented system can be copied; without effect here, which is warned of."""
