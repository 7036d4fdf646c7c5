"""The YAML file: from nested keys to the texts that the operator wrote, each with its place.

Scalars are taken as written, never as YAML would type them, so that `60d`, `true` and `0` mean what they mean in a
variable.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from aigateway.settings.errors import Problem
from aigateway.settings.yaml_values import YamlFile, YamlValue


def read_yaml(path: Path, option: str, known: Collection[str]) -> YamlFile:
    """Read the file at `path`, which `option` named; keys are looked for no deeper than the `known` dotted paths.

    An unknown key is a value like any other here; whoever knows the options refuses it. A key without a value is left
    out, as is an empty file.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        return YamlFile({}, (Problem(option, str(path), f"cannot be read: {error.strerror}; name a YAML file"),))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        return YamlFile({}, (Problem(option, str(path), f"is not YAML that can be read: {what}"),))
    if root is None or _is_null(root):
        return YamlFile({})
    if not isinstance(root, yaml.MappingNode):
        return YamlFile({}, (Problem(option, str(path), "must hold keys with values, for example `ai_gateway:`"),))
    reader = _Reader(path, frozenset(known))
    reader.walk(root, "")
    return YamlFile(reader.values, tuple(reader.problems))


class _Reader:
    def __init__(self, path: Path, known: frozenset[str]) -> None:
        self._path = path
        self._groups = frozenset(key[: i + 1] for key in known for i, c in enumerate(key) if c == ".")
        self.values: dict[str, YamlValue] = {}
        self.problems: list[Problem] = []

    def walk(self, mapping: yaml.MappingNode, prefix: str, within: str = "") -> None:
        """Collect the values of `mapping`, whose dotted path is `prefix`; known groups are entered, nothing else is.

        `within` is where that path begins, for messages.
        """
        seen: set[str] = set()
        for key_node, node in mapping.value:
            key = prefix + (key_node.value if isinstance(key_node, yaml.ScalarNode) else "?")
            form = f"{within}{key} ({self._path.name} line {key_node.start_mark.line + 1})"
            if key in seen:
                self.problems.append(Problem(form, None, "is there twice; remove one"))
            elif f"{key}." in self._groups:
                self._walk_group(node, key, form)
            elif not _is_null(node):
                self.values[key] = _value(node, form, self._items(node, key))
            seen.add(key)

    def _items(self, node: yaml.Node, key: str) -> tuple[Mapping[str, YamlValue], ...] | None:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            return None
        items = []
        for index, item in enumerate(node.value):
            if not isinstance(item, yaml.MappingNode):
                return None
            below = _Reader(self._path, frozenset())
            below.walk(item, "", f"{key}[{index}].")
            self.problems += below.problems
            items.append(below.values)
        return tuple(items)

    def _walk_group(self, node: yaml.Node, key: str, form: str) -> None:
        if isinstance(node, yaml.MappingNode):
            self.walk(node, f"{key}.")
        elif not _is_null(node):
            self.problems.append(Problem(form, None, "must hold keys with values, indented below it"))


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _value(node: yaml.Node, form: str, items: tuple[Mapping[str, YamlValue], ...] | None) -> YamlValue:
    if isinstance(node, yaml.ScalarNode):
        return YamlValue((node.value,), is_list=False, form=form)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return YamlValue(tuple(item.value for item in node.value), is_list=True, form=form)
    return YamlValue(None, is_list=items is not None, form=form, items=items)
