"""`aigateway journal`: records that wait on this machine; to be looked at, shipped without a server, or rescued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from aigateway.audit import inspection
from aigateway.audit.inspection import JournalState, UnreadableFile
from aigateway.audit.journals import Journals
from aigateway.cli.configuration import ServersOptions, given, read
from aigateway.cli.output import output_option, print_json, print_table
from aigateway.settings.model import Settings


@click.group()
def command() -> None:
    """Look after records that wait on this machine to be moved to the database.

    Reads the same variables, YAML file and options as `aigateway server`.
    """


@command.command(cls=ServersOptions)
@output_option
def status(output: str, **_: object) -> None:
    """Show each journal: who holds it, what waits, and what needs a person."""
    journals = _journals(_settings())
    states = [inspection.inspect(path) for path in journals.paths()]
    broken = [path for path in journals.broken() if not path.name.endswith(("-wal", "-shm"))]
    if output == "json":
        print_json(
            {
                "folder": str(journals.folder),
                "journals": [_state_json(state) for state in states],
                "set_aside": [{"file": str(path), "bytes": path.stat().st_size} for path in broken],
            }
        )
        return
    print_table(
        ("journal", "holder", "waiting", "oldest", "unfinished", "rejected", "size", "problem"),
        [
            (
                state.path.stem,
                f"pid {state.holder}" if state.holder is not None else "none",
                state.waiting,
                f"{_age(state.oldest)} s" if state.oldest else None,
                state.unfinished,
                state.rejected,
                f"{state.size / 1e6:.1f} MB",
                state.problem,
            )
            for state in states
        ],
    )
    for path in broken:
        click.echo(f"Set aside because it cannot be read: {path}. Try: aigateway journal export {path}", err=True)


@command.command(cls=ServersOptions)
def ship(**_: object) -> None:
    """Move what waits to the database, from each journal that no server holds."""
    settings = _settings()
    journals = _journals(settings)
    held = [state for state in map(inspection.inspect, journals.paths()) if state.holder is not None]
    complete = asyncio.run(_ship(settings))
    for state in held:
        click.echo(f"{state.path.stem}: held by the server with pid {state.holder}, which ships it itself.")
    if not complete:
        raise click.exceptions.Exit(1)


@command.command(cls=ServersOptions)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rejected", is_flag=True, help="What the database refused, instead of what waits.")
def export(file: Path | None, *, rejected: bool, **_: object) -> None:
    """Print what waits as JSON lines: of every journal, or all that can be read of FILE, even if it is broken."""
    if file is not None:
        _print_lines(inspection.rescued, file)
        return
    for path in _journals(_settings()).paths():
        _print_lines(inspection.rejected if rejected else inspection.waiting, path)


def _print_lines(lines: Callable[[Path], Iterator[dict[str, Any]]], path: Path) -> None:
    try:
        for line in lines(path):
            click.echo(json.dumps(line))
    except UnreadableFile as error:
        raise click.ClickException(f"cannot read {error}. Try: aigateway journal export {path}") from None


async def _ship(settings: Settings) -> bool:
    """Whether nothing that can be shipped is left."""
    from aigateway.app.shipping import ship_all  # noqa: PLC0415 - loaded only to be used
    from aigateway.app.storage import store_url  # noqa: PLC0415
    from aigateway.audit.journal import JournalUnavailable  # noqa: PLC0415
    from aigateway.store.engine import Store, StoreRefused, StoreTooNew, StoreUnavailable  # noqa: PLC0415

    complete = True
    try:
        store = await Store.open(store_url(settings.postgres_url, settings.data_dir))
    except (StoreUnavailable, StoreRefused, StoreTooNew) as error:
        raise click.ClickException(f"Nothing was shipped: {error}") from None
    try:
        async for adopted in ship_all(settings, store):
            name = adopted.path.stem
            if adopted.problem:
                click.echo(f"{name}: {adopted.problem}")
            elif adopted.waiting:
                click.echo(f"{name}: the database does not take the records; {adopted.waiting} entries still wait.")
            elif adopted.rejected:
                click.echo(
                    f"{name}: shipped, but {adopted.rejected} entries that the database refuses; "
                    "see them with: aigateway journal export --rejected"
                )
            else:
                click.echo(f"{name}: shipped.")
            complete = complete and not (adopted.problem or adopted.waiting)
    except JournalUnavailable as error:
        raise click.ClickException(str(error)) from None
    finally:
        await store.close()
    return complete


def _settings() -> Settings:
    return read(given(click.get_current_context())).settings


def _journals(settings: Settings) -> Journals:
    return Journals(settings.data_dir / "journal")


def _state_json(state: JournalState) -> dict[str, Any]:
    return {
        "file": str(state.path),
        "holder_pid": state.holder,
        "waiting": state.waiting,
        "oldest_at": state.oldest.isoformat() if state.oldest else None,
        "oldest_age_seconds": _age(state.oldest) if state.oldest else None,
        "unfinished": state.unfinished,
        "rejected": state.rejected,
        "bytes": state.size,
        "problem": state.problem,
    }


def _age(moment: datetime) -> int:
    return max(0, round((datetime.now(UTC) - moment).total_seconds()))
