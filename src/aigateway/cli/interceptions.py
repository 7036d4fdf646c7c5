"""`aigateway ai-gateway interceptions list` (also `aibridge …`, the name from before)."""

from __future__ import annotations

from typing import Any

import click

from aigateway.cli.output import print_json, print_table
from aigateway.cli.rest import connect

_COLUMNS = ("started at", "initiator", "provider", "model", "client", "in", "out", "tools", "prompt")
_PROMPT_WIDTH = 60


@click.group()
def command() -> None:
    """Look at what went through the gateway."""


@command.group()
def interceptions() -> None:
    """Requests on record."""


@interceptions.command("list")
@click.option("--initiator", help="Only those of a user: name, id or `me`.")
@click.option("--started-before", metavar="TIME", help="Only those that began at or before a time (RFC 3339).")
@click.option("--started-after", metavar="TIME", help="Only those that began at or after a time (RFC 3339).")
@click.option("--provider", help="Only those of a provider.")
@click.option("--model", help="Only those with a model.")
@click.option("--client", help="Only those of a client program, for example `Claude Code`.")
@click.option("--after-id", metavar="ID", help="Go on after this one, the last of the page before.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most.")
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True, help="Format.")
def list_(after_id: str | None, limit: int, output: str, **filters: str | None) -> None:
    """List ended requests, newest first."""
    page = connect().get("aibridge", "interceptions", q=_search(filters), after_id=after_id, limit=limit)
    if output == "json":
        print_json(page["results"])
    else:
        print_table(_COLUMNS, [_row(found) for found in page["results"]])


def _search(filters: dict[str, str | None]) -> str | None:
    """The filters in the search language of the API."""
    terms = []
    for name, value in filters.items():
        if value is None:
            continue
        if '"' in value:
            raise click.UsageError(f"--{name.replace('_', '-')} cannot hold a quotation mark.")
        terms.append(f'{name}:"{value}"')
    return " ".join(terms) or None


def _row(found: dict[str, Any]) -> list[Any]:
    usages = found["token_usages"]
    prompts = " ".join(prompt["prompt"] for prompt in found["user_prompts"])
    return [
        found["started_at"],
        found["initiator"]["username"],
        found.get("provider_name") or found["provider"],
        found["model"],
        found["client"],
        sum(usage["input_tokens"] for usage in usages),
        sum(usage["output_tokens"] for usage in usages),
        len(found["tool_usages"]),
        f"{prompts[:_PROMPT_WIDTH]}…" if len(prompts) > _PROMPT_WIDTH else prompts,
    ]
