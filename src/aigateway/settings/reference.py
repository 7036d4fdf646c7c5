"""The option table as documentation. `python -m aigateway.settings.reference` prints it for docs/configuration.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from aigateway.settings.option import Group, Names, Option
from aigateway.settings.options import OPTIONS

_HEAD = "| Flag | Variable | YAML | Value | Default | Meaning |\n|---|---|---|---|---|---|"
_OLD_HEAD = "| Old flag | Old variable | Old YAML | Now |\n|---|---|---|---|"


def options_reference() -> str:
    """Return Markdown: a table for each group of options, and one of the old names."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for group in Group:
        rows = [_row(option) for option in OPTIONS if option.group is group and not option.ignored]
        yield f"### {group}\n\n{_HEAD}"
        yield from rows
        yield ""
    yield f"### Old names\n\n{_OLD_HEAD}"
    yield from (_old_row(option.old_names, option) for option in OPTIONS if option.old_names and not option.ignored)


def _row(option: Option) -> str:
    names = option.names
    default = _code(option.default) if option.default_text is None else _cell(option.default_text)
    flag = f"{_code(names.short)}, {_code(names.flag)}" if names.short else _code(names.flag)
    meaning = f"{option.help} Secret: never in YAML." if option.kind.is_secret else option.help
    cells = (flag, _code(names.env), _yaml(option), _cell(option.kind.metavar), default, _cell(meaning))
    return f"| {' | '.join(cells)} |"


def _old_row(old: Names, option: Option) -> str:
    yaml = "" if option.kind.is_secret else _code(old.yaml)
    return f"| {_code(old.flag)} | {_code(old.env)} | {yaml} | {_code(option.names.flag)} |"


def _yaml(option: Option) -> str:
    return "" if option.kind.is_secret else _code(option.names.yaml)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(options_reference() + "\n")
