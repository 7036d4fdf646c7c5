"""Options that select what is on record, and the search that they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--initiator", help="Only those of a user: name, id or `me`."),
    click.option("--started-before", metavar="TIME", help="Only those that began at or before a time (RFC 3339)."),
    click.option("--started-after", metavar="TIME", help="Only those that began at or after a time (RFC 3339)."),
    click.option("--provider", help="Only those of a type of provider, for example `anthropic`."),
    click.option("--provider-name", help="Only those of a provider, by its name."),
    click.option("--model", help="Only those with a model."),
    click.option("--client", help="Only those of a client program, for example `Claude Code`."),
    click.option("--error-type", help="Only those that failed in a way, for example `rate_limited`; `any` for all."),
    click.option("--status", help="Only those that were answered with an HTTP status."),
    click.option(
        "--text",
        multiple=True,
        metavar="WORDS",
        help="Only those with these words, in this order, in a prompt, a thought or a tool's input; `mend*` finds "
        "`mended`. May be given several times: all must be there.",
    ),
    click.option("--q", metavar="SEARCH", help="A search as in the dashboard, besides: `model:gpt-5 text:build`."),
)

limit_option: Callable[[Any], Any] = click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most."
)


def filter_options(function: _F) -> _F:
    """Give a command the options that `search` takes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def search(filters: Mapping[str, str | Sequence[str] | None]) -> str | None:
    """The filters in the search language of the API; None for no filter.

    Raises:
        click.UsageError: a value cannot be said in that language.
    """
    terms = []
    for name, given in filters.items():
        if name == "q":
            terms += [given] if isinstance(given, str) else []
            continue
        for value in (given,) if isinstance(given, str) else given or ():
            if '"' in value:
                raise click.UsageError(f"--{name.replace('_', '-')} cannot hold a quotation mark.")
            terms.append(f'{name}:"{value}"')
    return " ".join(terms) or None


def warn_of_gaps(page: Mapping[str, Any]) -> None:
    """Say so when a search could not look everywhere yet."""
    if page.get("incomplete"):
        click.echo(page["incomplete"], err=True)
