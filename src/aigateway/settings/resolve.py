"""Which source sets an option: flag, then variable, then YAML, then default, each alone (control-plane spec 1.1)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from aigateway.settings.errors import Problem, SensitiveValueError
from aigateway.settings.option import Names, Option
from aigateway.settings.yaml_values import YamlValue

DEFAULT = "default"


class Sources(msgspec.Struct, frozen=True):
    """Everything that the operator wrote, by the name that they used."""

    flags: Mapping[str, Sequence[str]]
    environ: Mapping[str, str]
    yaml: Mapping[str, YamlValue] = msgspec.field(default_factory=dict)


class Resolved(msgspec.Struct, frozen=True):
    """What an option is set to, by whom, and what to say about it."""

    value: object
    source: str
    """The name that set it, in the operator's form, or `default`."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


class _Given(msgspec.Struct, frozen=True):
    form: str
    texts: tuple[str, ...]
    refusal: str | None = None
    """Why this source cannot set this option at all."""


def resolve(option: Option, sources: Sources) -> Resolved:
    """Find what sets `option` and read it. A value that cannot be read is a problem, and the value is then None.

    An old name never wins over a new one (decision 24). An empty variable counts as not set.
    """
    new = list(_given(option, option.names, sources))
    old = list(_given(option, option.old_names, sources)) if option.old_names else []
    if not new and not old:
        return Resolved(_default(option), DEFAULT)
    refusals = tuple(Problem(given.form, None, given.refusal) for given in (*new, *old) if given.refusal)
    if refusals:
        return Resolved(None, refusals[0].option, refusals)
    used = (new or old)[0]
    value, problems = _read(option, used)
    return Resolved(value, used.form, problems, _warnings(option, new, old))


def _given(option: Option, names: Names, sources: Sources) -> Iterator[_Given]:
    if names.flag in sources.flags:
        texts = sources.flags[names.flag]
        yield _Given(names.flag, _split(texts) if option.kind.is_list else (texts[-1],))
    if names.env and (text := sources.environ.get(names.env, "")):
        yield _Given(names.env, _split([text]) if option.kind.is_list else (text,))
    if names.yaml and (value := sources.yaml.get(names.yaml)):
        yield _Given(value.form, value.texts or (), _refusal(option, value))


def _split(texts: Sequence[str]) -> tuple[str, ...]:
    """Each text is a comma-separated list; a value with a comma goes in double quotes."""
    try:
        return tuple(item for row in csv.reader(texts) for item in row if item)
    except csv.Error:  # a line break inside: no list, so taken whole
        return tuple(texts)


def _refusal(option: Option, value: YamlValue) -> str | None:
    if option.kind.is_secret:
        return f"a secret cannot be in a YAML file; remove it there and set the variable {option.names.env}"
    if value.texts is None:
        return f"holds keys or nested lists; write a {option.kind.metavar}"
    if value.is_list and not option.kind.is_list and len(value.texts) != 1:
        return f"holds a list; write one {option.kind.metavar}"
    return None


def _default(option: Option) -> object:
    if option.kind.is_list:
        return tuple(map(option.kind.parse, _split([option.default or ""])))
    return None if option.default is None else option.kind.parse(option.default)


def _read(option: Option, given: _Given) -> tuple[object, tuple[Problem, ...]]:
    values, problems = [], []
    for text in given.texts:
        try:
            values.append(option.kind.parse(text))
        except ValueError as error:
            hidden = option.kind.is_secret or isinstance(error, SensitiveValueError)
            problems.append(Problem(given.form, None if hidden else text, str(error)))
    if problems:
        return None, tuple(problems)
    return (tuple(values) if option.kind.is_list else values[0]), ()


def _warnings(option: Option, new: list[_Given], old: list[_Given]) -> tuple[str, ...]:
    if option.ignored:
        return (f"{(new or old)[0].form} has no effect in this product; remove it.",)
    if not old:
        return ()
    if new:
        return (
            f"Both {new[0].form} and its old name {old[0].form} are set; {new[0].form} is used. Remove the old one.",
        )
    return (f"{old[0].form} is an old name, which still works; use {option.names.flag} or {option.names.env} instead.",)
