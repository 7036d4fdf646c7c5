"""The settings in effect as a YAML file that gives the same settings when it is read (`--write-config`)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import yaml

from aigateway.settings import kinds
from aigateway.settings.durations import format_duration
from aigateway.settings.indexed import NEW_PREFIX, OLD_PREFIX
from aigateway.settings.option import Option
from aigateway.settings.options import OPTIONS
from aigateway.settings.providers import ProviderSettings
from aigateway.settings.resolve import DEFAULT, Resolved
from aigateway.settings.sizes import format_size

_HEAD = """\
# Settings of AI Gateway as they are in effect. Use them with: aigateway server --config <this file>
# Flags and variables win over this file. Secrets are never written; set their variables."""
_OFF = {kinds.LIMIT: "0", kinds.TIMEOUT: "0"}
"""How nothing is written where an empty text is not."""
_PLAIN = re.compile(r"\d+\w*|true|false", re.ASCII)
"""What needs no quotes; texts are never read as anything but texts."""


def written_config(resolved: Mapping[str, Resolved], providers: Iterable[ProviderSettings]) -> str:
    """Return a commented YAML file without any secret; numbered providers stay with their variables."""
    lines = [_HEAD, *_elsewhere(resolved, providers)]
    tree: dict[str, Any] = {}
    for option in OPTIONS:
        if option.names.yaml and not option.kind.is_secret and not option.ignored:
            *groups, key = option.names.yaml.split(".")
            branch = tree
            for group in groups:
                branch = branch.setdefault(group, {})
            branch[key] = option
    return "\n".join([*lines, *_branch(tree, resolved, "")]) + "\n"


def _elsewhere(resolved: Mapping[str, Resolved], providers: Iterable[ProviderSettings]) -> Iterator[str]:
    """What is set, but cannot be set by this file."""
    for option in OPTIONS:
        source = resolved[option.field].source
        unwritable = option.kind.is_secret or not option.names.yaml
        if unwritable and not option.ignored and option.field != "config" and source != DEFAULT:
            yield f"# Not in this file: {source}"
    for provider in providers:
        if provider.sources["type"].startswith((NEW_PREFIX, OLD_PREFIX)):
            yield f"# Not in this file: the provider {provider.name}, set by {provider.sources['type']} and its like"


def _branch(tree: Mapping[str, Any], resolved: Mapping[str, Resolved], indent: str) -> Iterator[str]:
    for index, (key, below) in enumerate(tree.items()):
        if index or not indent:
            yield ""
        if isinstance(below, Option):
            item = resolved[below.field]
            origin = "" if item.source == DEFAULT else f" Set by {item.source}."
            yield from textwrap.wrap(
                below.help + origin, 118, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
            )
            yield f"{indent}{key}: {_scalar_or_list(below, item.value)}"
        else:
            yield f"{indent}{key}:"
            yield from _branch(below, resolved, f"{indent}  ")


def _scalar_or_list(option: Option, value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_quoted(_text(option, item)) for item in value)}]"
    text = _text(option, value)
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _text(option: Option, value: object) -> str:
    """The value as an operator would write it."""
    match value:
        case None:
            return _OFF.get(option.kind, "")
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case int() if option.kind is kinds.SIZE:
            return format_size(value)
        case re.Pattern():
            return str(value.pattern)
        case _:
            return str(value)


def _quoted(text: str) -> str:
    scalar: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', width=float("inf"), allow_unicode=True)
    return scalar.strip()
