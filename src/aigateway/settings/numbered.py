"""Things that are set by numbered variables, `<PREFIX><N>_<PART>`, from 0 on and without a gap."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from aigateway.settings.errors import Problem
from aigateway.settings.resolve import DEFAULT
from aigateway.settings.yaml_values import YamlValue

_INDEX = re.compile(r"0|[1-9]\d{0,5}", re.ASCII)


class Written(msgspec.Struct, frozen=True):
    """A setting as the operator wrote it."""

    name: str
    """In the operator's form."""
    value: str


class Family(msgspec.Struct, frozen=True):
    """What is numbered, in the operator's words."""

    one: str
    """With its article: `a provider`."""
    parts: tuple[str, ...]
    example: str
    """The part that messages show."""
    secrets: tuple[str, ...] = ()
    """Parts that are refused in a YAML file."""
    without_effect: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Parts that the documented system has, and why they are not needed."""

    @property
    def noun(self) -> str:
        """Without the article."""
        return self.one.partition(" ")[2]


class Entry(msgspec.Struct):
    """The variables of one number."""

    prefix: str
    index: int
    parts: dict[str, Written] = msgspec.field(default_factory=dict)
    """By what they set; without blanks around, never empty, because an empty variable counts as not set."""

    def called(self, part: str) -> str:
        """The name of a variable of this entry, as it would be written."""
        return f"{self.prefix}{self.index}_{part}"

    def first_of(self, names: tuple[str, ...]) -> Written | None:
        """The variable that is set among `names`, which mean the same."""
        return next((self.parts[name] for name in names if name in self.parts), None)

    def source(self, *names: str) -> str:
        """What sets one of these parts, or `default`."""
        variable = self.first_of(names)
        return variable.name if variable else DEFAULT


def written(environ: Mapping[str, str]) -> list[Written]:
    """The variables that are set, by name, without blanks around their values."""
    return [Written(name, value.strip()) for name, value in sorted(environ.items()) if value.strip()]


def entries(
    family: Family,
    prefix: str,
    variables: Iterable[Written],
    problems: list[Problem],
    warnings: list[str],
    *,
    listed: Sequence[Mapping[str, Written]] = (),
) -> list[Entry]:
    """Sort variables that begin with `prefix` by number, reporting what belongs to none.

    Args:
        family: what they set.
        prefix: what their names begin with.
        variables: those.
        problems: where problems go.
        warnings: where warnings go.
        listed: what a YAML file says of 0, 1 and so on, by part; a variable wins over it.
    """
    found: dict[int, Entry] = {}
    for variable in variables:
        number, _, part = variable.name.removeprefix(prefix).partition("_")
        if not _INDEX.fullmatch(number):
            example = f"{prefix}0_{family.example}"
            message = f"{number!r} is not {family.one}'s number; number them 0, 1, 2 and so on, as in {example}"
            problems.append(Problem(variable.name, None, message))
            continue
        entry = found.setdefault(int(number), Entry(prefix, int(number)))
        _assign(family, entry, part.upper(), variable, problems, warnings)
    for index, parts in enumerate(listed):
        entry = found.setdefault(index, Entry(prefix, index))
        entry.parts = {**parts, **entry.parts}
    problems += _holes(family, prefix, found)
    return [found[index] for index in sorted(found)]


def _holes(family: Family, prefix: str, found: Mapping[int, object]) -> Iterator[Problem]:
    """Numbers start at 0 and have no gap; the first that is missing is named."""
    missing = next((index for index in range(len(found)) if index not in found), None)
    if missing is not None:
        message = (
            f"{family.noun} {missing} is missing, but {max(found)} is there; number {family.noun}s 0, 1, 2 without gaps"
        )
        yield Problem(f"{prefix}{missing}_{family.example}", None, message)


def listed(family: Family, prefix: str, value: YamlValue | None, problems: list[Problem]) -> list[dict[str, Written]]:
    """What a YAML file lists, each item by part; keys are the parts in lower case."""
    if value is None:
        return []
    if value.items is None:
        problems.append(Problem(value.form, None, f"must hold a list, of which each item has the keys of {family.one}"))
        return []
    return [dict(_parts(family, f"{prefix}{index}_", item, problems)) for index, item in enumerate(value.items)]


def _parts(
    family: Family, prefix: str, item: Mapping[str, YamlValue], problems: list[Problem]
) -> Iterator[tuple[str, Written]]:
    for key, value in item.items():
        part = key.upper()
        if part in family.secrets:
            message = f"a secret cannot be in a YAML file; remove it there and set the variable {prefix}{part}"
            problems.append(Problem(value.form, None, message))
        elif part not in family.parts or key != key.lower():
            near = difflib.get_close_matches(key.lower(), [each.lower() for each in family.parts], n=1)
            hint = f"; did you mean {near[0]}?" if near else "; remove it"
            problems.append(Problem(value.form, None, f"is not a key of {family.one}{hint}"))
        elif value.texts is None:
            problems.append(Problem(value.form, None, "holds keys or nested lists; write a text"))
        elif text := ",".join(value.texts).strip():
            yield part, Written(value.form, text)


def _assign(
    family: Family, entry: Entry, part: str, variable: Written, problems: list[Problem], warnings: list[str]
) -> None:
    if part in family.without_effect:
        warnings.append(f"{variable.name} has no effect: {family.without_effect[part]}.")
    elif part not in family.parts:
        near = difflib.get_close_matches(part, family.parts, n=1)
        hint = f"; did you mean {entry.called(near[0])}?" if near else "."
        warnings.append(f"{variable.name} is not {family.one}'s variable and has no effect{hint}")
    elif part in entry.parts:
        message = f"means the same as {entry.parts[part].name}, which is set too; remove one"
        problems.append(Problem(variable.name, None, message))
    else:
        entry.parts[part] = variable
