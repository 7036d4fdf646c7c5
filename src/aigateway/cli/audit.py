"""`aigateway audit`: proves that the record is as it was written, beside a running server or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aigateway.cli.configuration import ServersOptions, given, read
from aigateway.cli.output import print_json

if TYPE_CHECKING:
    from aigateway.audit.verification import Problem, Published, Report
    from aigateway.store.engine import Store

_TAMPERED = 1
_NOT_CHECKED = 2

_T = TypeVar("_T")


class _CannotCheck(click.ClickException):
    exit_code = _NOT_CHECKED


class _PublishedType(click.ParamType):  # type: ignore[type-arg]  # click is generic for type checkers only
    """`CHAIN:POSITION:DIGEST`."""

    name = "chain:position:digest"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from aigateway.audit.verification import Published  # noqa: PLC0415 - loaded only to be used

        try:
            return Published.read(value)
        except ValueError:
            self.fail("expected CHAIN:POSITION:DIGEST, as `aigateway audit head` prints it.", param, ctx)


@click.group()
def command() -> None:
    """Prove that the record is as it was written.

    Reads the same variables, YAML file and options as `aigateway server`, which may run meanwhile.
    """


@command.command(cls=ServersOptions)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--expect",
    "expected",
    multiple=True,
    type=_PublishedType(),
    help="An end of a chain that was printed or logged before; may be given several times.",
)
@click.option(
    "--chained-since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="Requests that started before need not be in a chain (2026-01-31T12:00:00Z). Default: when the first began.",
)
def verify(*, as_json: bool, expected: tuple[Published, ...], chained_since: datetime | None, **_: object) -> None:
    """Check every row of the record, and name the first that was changed, removed or put in.

    The status is 0 when all is as it was written, 1 when something is not, and 2 when it could not be checked.
    """
    from aigateway.audit import verification  # noqa: PLC0415 - loaded only to be used

    since = chained_since.replace(tzinfo=UTC) if chained_since else None
    report = _with_store(lambda store: verification.verify(store, expected=expected, chained_since=since))
    if as_json:
        print_json(_json(report))
    else:
        _print(report)
    if report.problem is not None:
        raise click.exceptions.Exit(_TAMPERED)


@command.command(cls=ServersOptions)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def head(*, as_json: bool, **_: object) -> None:
    """Print where each chain ends. Kept elsewhere, it proves later that nothing before it was rewritten."""
    from aigateway.audit import verification  # noqa: PLC0415 - loaded only to be used

    heads = [str(one) for one in _with_store(verification.heads)]
    if as_json:
        print_json({"heads": heads})
        return
    for one in heads:
        click.echo(one)


def _with_store(ask: Callable[[Store], Awaitable[_T]]) -> _T:
    from aigateway.app.storage import store_url  # noqa: PLC0415 - loaded only to be used
    from aigateway.store.engine import Store, StoreRefused, StoreTooNew, StoreUnavailable  # noqa: PLC0415

    settings = read(given(click.get_current_context())).settings

    async def run() -> _T:
        store = await Store.open(store_url(settings.postgres_url, settings.data_dir))
        try:
            return await ask(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (StoreUnavailable, StoreRefused, StoreTooNew) as error:
        raise _CannotCheck(f"The record could not be checked: {error}") from None


def _print(report: Report) -> None:
    click.echo(f"As they were written: {report.checked:,} requests.")
    click.echo(f"Removed by retention: {report.purged:,}. Still under way, in no chain yet: {report.unfinished:,}.")
    if report.unchained:
        click.echo(f"From before there were chains, so nothing is known of them: {report.unchained:,}.")
    if report.problem is not None:
        click.echo(f"NOT as it was written: {_sentence(report.problem)}", err=True)
        return
    for one in report.heads:
        click.echo(f"Checked up to {one}")


def _sentence(problem: Problem) -> str:
    where = []
    if problem.interception_id:
        where.append(f"the request {problem.interception_id}")
    if problem.row:
        where.append(f"the row {problem.row}")
    if problem.chain_id:
        link = f", link {problem.position}" if problem.position else ""
        where.append(f"chain {problem.chain_id}{link}")
    return f"{' in '.join(where)}: {problem.what}."


def _json(report: Report) -> dict[str, Any]:
    problem = report.problem
    return {
        "intact": problem is None,
        "checked": report.checked,
        "purged": report.purged,
        "unchained": report.unchained,
        "unfinished": report.unfinished,
        "heads": [str(one) for one in report.heads],
        "problem": None
        if problem is None
        else {
            "what": problem.what,
            "chain": problem.chain_id,
            "position": problem.position,
            "interception_id": problem.interception_id,
            "row": problem.row,
        },
    }
