"""`aigateway ai-gateway interceptions list | show`."""

from __future__ import annotations

from typing import Any

import click

from aigateway.cli import timeline
from aigateway.cli.output import print_json, print_table, shortened
from aigateway.cli.record_filters import filter_options, limit_option, search, warn_of_gaps
from aigateway.cli.rest import connect

_COLUMNS = ("started at", "initiator", "provider", "model", "client", "in", "out", "tools", "outcome", "prompt")


@click.group("interceptions")
def command() -> None:
    """Requests on record."""


@command.command("list")
@filter_options
@click.option("--after-id", metavar="ID", help="Go on after this one, the last of the page before.")
@limit_option
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True, help="Format.")
def list_(after_id: str | None, limit: int, output: str, **filters: Any) -> None:
    """List ended requests, newest first."""
    page = connect().get("aibridge", "interceptions", q=search(filters), after_id=after_id, limit=limit)
    warn_of_gaps(page)
    if output == "json":
        print_json(page["results"])
    else:
        print_table(_COLUMNS, [_row(found) for found in page["results"]], empty="No such requests are on record.")


@command.command()
@click.argument("interception")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
def show(interception: str, output: str) -> None:
    """Show a request whole: what was asked, thought, called and used, and what came of it.

    INTERCEPTION is its id, which clients get in the header X-AI-Gateway-Interception-Id.
    """
    found = connect().get("aibridge", "interceptions", interception)
    if output == "json":
        print_json(found)
    else:
        timeline.print_interception(found)


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
        found.get("error_type") or found.get("status_code"),
        shortened(prompts),
    ]
