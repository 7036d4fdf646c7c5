"""`aigateway ai-gateway sessions list | show`."""

from __future__ import annotations

from typing import Any

import click

from aigateway.cli import timeline
from aigateway.cli.output import output_option, print_json, print_table, shortened
from aigateway.cli.record_filters import filter_options, limit_option, search, warn_of_gaps
from aigateway.cli.rest import connect

_COLUMNS = ("started at", "initiator", "client", "models", "threads", "failed", "in", "out", "id", "last prompt")


@click.group("sessions")
def command() -> None:
    """What belongs together: a conversation with an agent, or one task."""


@command.command("list")
@filter_options
@click.option("--session-id", help="Only those with an id.")
@click.option("--after-session-id", metavar="ID", help="Go on after this one, the last of the page before.")
@click.option("--after-initiator", metavar="USER", help="Whose that one is, where several people have it.")
@limit_option
@output_option
def list_(after_session_id: str | None, after_initiator: str | None, limit: int, output: str, **filters: Any) -> None:
    """List sessions, newest first."""
    page = connect().get(
        "aibridge",
        "sessions",
        q=search(filters),
        after_session_id=after_session_id,
        after_initiator=after_initiator,
        limit=limit,
    )
    warn_of_gaps(page)
    if output == "json":
        print_json(page)
        return
    print_table(_COLUMNS, [_row(found) for found in page["sessions"]], empty="No such sessions are on record.")


@command.command()
@click.argument("session")
@click.option("--initiator", metavar="USER", help="Whose session, where several people have one with this id.")
@click.option("--after-id", metavar="ID", help="Only threads after this one.")
@click.option("--before-id", metavar="ID", help="Only threads before this one.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many threads at most.")
@click.option("--side-requests", is_flag=True, help="Show what the client asked for itself as well: titles, probes.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
def show(session: str, output: str, *, side_requests: bool, **page: Any) -> None:
    """Show a session as a timeline: prompt, thoughts, tool calls, and what came of them.

    SESSION is its id, or the id of any request in it.
    """
    sides = "true" if side_requests else None
    found = connect().get("aibridge", "sessions", session, include_side_requests=sides, **page)
    if output == "json":
        print_json(found)
    else:
        timeline.print_session(found)
        if len(found["threads"]) == page["limit"] and not page["before_id"]:
            click.echo(f"There may be more threads: --after-id {found['threads'][-1]['id']}", err=True)


def _row(found: dict[str, Any]) -> list[Any]:
    tokens = found["token_usage_summary"]
    return [
        found["started_at"],
        found["initiator"]["username"],
        found["client"],
        found["models"],
        found["threads"],
        found["failures"] or "",
        tokens["input_tokens"],
        tokens["output_tokens"],
        found["id"],
        shortened(found.get("last_prompt", "")),
    ]
