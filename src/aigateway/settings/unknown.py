"""Names that no option has: misspelt, or from another version. Each is answered with the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping

from aigateway.settings.errors import Problem
from aigateway.settings.implicit import BEDROCK_VARIABLES
from aigateway.settings.indexed import NEW_PREFIX, OLD_PREFIX
from aigateway.settings.options import OPTIONS, Names
from aigateway.settings.yaml_file import YamlValue

_NAMES: tuple[Names, ...] = tuple(names for option in OPTIONS for names in (option.names, option.old_names) if names)
FLAGS = frozenset(flag for names in _NAMES for flag in (names.flag, names.short) if flag)
VARIABLES = frozenset(names.env for names in _NAMES if names.env)
YAML_KEYS = frozenset(names.yaml for names in _NAMES if names.yaml)


def unknown_flags(flags: Iterable[str]) -> Iterator[Problem]:
    """Refuse each flag that no option has."""
    for flag in flags:
        if flag not in FLAGS:
            yield Problem(flag, None, f"is not an option of this version{_nearest(flag, FLAGS)}")


def unknown_keys(values: Mapping[str, YamlValue]) -> Iterator[Problem]:
    """Refuse each key of the YAML file that no option has."""
    for key, value in values.items():
        if key not in YAML_KEYS:
            yield Problem(value.form, None, f"is not a setting of this version{_nearest(key, YAML_KEYS)}")


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Warn of each variable with our prefix that nothing reads; it may be meant for another version."""
    for name in sorted(environ):
        ours = name.startswith(("CODER_AI_GATEWAY_", "CODER_AIBRIDGE_"))
        read_elsewhere = name.startswith((NEW_PREFIX, OLD_PREFIX)) or name in BEDROCK_VARIABLES
        if ours and not read_elsewhere and name not in VARIABLES:
            yield f"{name} is not a setting of this version and has no effect{_nearest(name, VARIABLES)}"


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else "; remove it"
