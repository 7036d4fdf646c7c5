"""What a YAML file of settings holds, whoever read it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aigateway.settings.errors import Problem


class YamlValue(msgspec.Struct, frozen=True):
    """What a key of the file holds."""

    texts: tuple[str, ...] | None
    """One for a scalar, any number for a list; None for something else, which no option takes."""
    is_list: bool
    form: str
    """The key and its place, for messages."""
    items: tuple[Mapping[str, YamlValue], ...] | None = None
    """What a list of mappings holds; None for anything else."""


class YamlFile(msgspec.Struct, frozen=True):
    """The values of one file by their dotted paths, and what is wrong with it."""

    values: dict[str, YamlValue]
    problems: tuple[Problem, ...] = ()
