"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import click

_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
_LONGEST = 60
"""Characters of a long text in a table."""

output_option: Callable[[Any], Any] = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people or JSON for programs.",
)


def print_json(value: Any) -> None:
    """Print JSON with two spaces of indentation, in ASCII so that no value can move the cursor."""
    click.echo(json.dumps(value, indent=2))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "There are none.") -> None:
    """Print columns that line up, times of the API to the second; without rows, say so in a sentence on stderr."""
    cells = [[heading.upper() for heading in headings], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(headings))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not rows:
        click.echo(empty, err=True)


def moment(text: str) -> str:
    """A time of the API for people: UTC, to the second."""
    return _TIME.sub(r"\1 \2", text)


def printable(text: str) -> str:
    """One line of printable text: names come from people and models, and a terminal obeys control characters."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def shortened(text: str) -> str:
    """The beginning of a longer text, for a column."""
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list):
        return ", ".join(_cell(part) for part in value) or "-"
    return printable(moment(str(value)))
