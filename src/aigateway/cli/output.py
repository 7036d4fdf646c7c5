"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

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


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print columns that line up; says nothing but the headings when there are no rows."""
    cells = [[heading.upper() for heading in headings], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(headings))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    """One line of printable text: names come from people and models, and a terminal obeys control characters."""
    if value is None or value == "":
        return "-"
    if isinstance(value, list):
        return ", ".join(_cell(part) for part in value) or "-"
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(value))
