"""Names that no option has: misspelt, or from another version. Each is answered with the nearest known name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from aigateway.settings.errors import Problem
from aigateway.settings.indexed import NEW_PREFIX, OLD_PREFIX
from aigateway.settings.option import Names
from aigateway.settings.options import OPTIONS
from aigateway.settings.tool_servers import ACCOUNTS_PREFIX, ACCOUNTS_YAML, SERVERS_PREFIX, SERVERS_YAML
from aigateway.settings.yaml_values import YamlValue

_NAMES: tuple[Names, ...] = tuple(names for option in OPTIONS for names in (option.names, option.old_names) if names)
FLAGS = frozenset(names.flag for names in _NAMES)
VARIABLES = frozenset(names.env for names in _NAMES if names.env)
YAML_KEYS = frozenset(names.yaml for names in _NAMES if names.yaml) | {SERVERS_YAML, ACCOUNTS_YAML}

_OF_SERVERS = re.compile(rf"({SERVERS_PREFIX}|{ACCOUNTS_PREFIX})\d")
_PREFIX = re.compile(r"(--|CODER_)?(ai[_-]?gateway|aibridge)[_.-]|--|CODER_", re.IGNORECASE)
_FLAGS_NOW = frozenset(option.names.flag for option in OPTIONS)
_VARIABLES_NOW = frozenset(option.names.env for option in OPTIONS if option.names.env)
_YAML_KEYS_NOW = frozenset(option.names.yaml for option in OPTIONS if option.names.yaml)


def unknown_flags(flags: Iterable[str]) -> Iterator[Problem]:
    """Refuse each flag that no option has."""
    for flag in flags:
        if flag not in FLAGS:
            yield Problem(flag, None, f"is not an option of this version{_nearest(flag, _FLAGS_NOW)}")


def unknown_keys(values: Mapping[str, YamlValue]) -> Iterator[Problem]:
    """Refuse each key of the YAML file that no option has."""
    for key, value in values.items():
        if key not in YAML_KEYS:
            yield Problem(value.form, None, f"is not a setting of this version{_nearest(key, _YAML_KEYS_NOW)}")


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Warn of each variable with our prefix that nothing reads; it may be meant for another version."""
    for name in sorted(environ):
        ours = name.startswith(("CODER_AI_GATEWAY_", "CODER_AIBRIDGE_", ACCOUNTS_PREFIX))
        read_elsewhere = name.startswith((NEW_PREFIX, OLD_PREFIX)) or _OF_SERVERS.match(name)
        if ours and not read_elsewhere and name not in VARIABLES:
            yield f"{name} is not a setting of this version and has no effect{_nearest(name, _VARIABLES_NOW)}"


def _nearest(name: str, known: Collection[str]) -> str:
    """The end of a message; what all names begin with does not make two of them alike."""
    ends = {_PREFIX.sub("", each): each for each in sorted(known)}
    near = [ends[end] for end in difflib.get_close_matches(_PREFIX.sub("", name), ends, n=1)]
    near += difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else "; remove it"
