"""`aigateway dumps`: look at API dumps, on the machine that holds them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from aigateway.audit.dumps import reading
from aigateway.audit.dumps.layout import pretty
from aigateway.audit.dumps.reading import Dump, Message
from aigateway.cli.output import output_option, print_json, print_table

_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*+"(?=\s*:))|(?P<text>"(?:[^"\\]|\\.)*+")|(?P<number>-?\d[\d.eE+-]*+)|(?P<word>true|false|null)'
)
_COLOURS = {"key": "blue", "text": "green", "number": "cyan", "word": "magenta"}


@click.group()
def command() -> None:
    """Look at API dumps (--ai-gateway-dump-dir), on the machine that holds them."""


@command.command("list")
@click.argument(
    "folder", envvar="CODER_AI_GATEWAY_DUMP_DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@output_option
def list_(folder: Path, output: str) -> None:
    """List the dumps in FOLDER (default: $CODER_AI_GATEWAY_DUMP_DIR), the oldest first."""
    dumps = reading.find(folder)
    if output == "json":
        print_json(
            [
                {
                    "path": str(dump.stem),
                    "started_at": dump.started_at.isoformat(),
                    "provider": dump.provider,
                    "model": dump.model,
                    "id": dump.id,
                    "bytes": dump.size,
                    "response": dump.has_response,
                }
                for dump in dumps
            ]
        )
        return
    print_table(
        ("started at", "provider", "model", "response", "bytes", "path"),
        [
            (
                f"{dump.started_at:%Y-%m-%dT%H:%M:%SZ}",
                dump.provider,
                dump.model,
                "yes" if dump.has_response else "no",
                dump.size,
                dump.stem,
            )
            for dump in dumps
        ],
    )


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
def show(file: Path, output: str) -> None:
    """Show the request and the response that FILE belongs to: decoded, one event a block."""
    try:
        dump = reading.read(file)
    except reading.NotADump as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot read {error.filename}: {error.strerror}") from None
    if output == "json":
        print_json(_dump_json(dump))
        return
    _print_title(str(dump.stem))
    if dump.request is not None:
        _print_message("request", dump.request)
    if dump.response is not None:
        _print_message("response", dump.response)
    if dump.error:
        _print_title("no response")
        click.echo(_safe(dump.error))


def _print_message(title: str, message: Message) -> None:
    _print_title(title)
    click.secho(_safe(message.start_line), bold=True)
    for name, value in message.headers:
        click.echo(f"{click.style(_safe(name), fg='blue')}: {_safe(value)}")
    click.echo()
    if message.body:
        click.echo(_shown(message.body))
    for event, data in message.events:
        click.secho(f"event: {_safe(event.decode('utf-8', 'replace')) or 'message'}", bold=True)
        click.echo(f"{_shown(pretty(data))}\n")
    if message.note:
        click.secho(f"[{_safe(message.note)}]", fg="yellow")


def _print_title(title: str) -> None:
    click.secho(f"── {_safe(title)} ──", dim=True)


def _shown(body: bytes) -> str:
    """A body for people; click takes the colours off where there is no terminal."""
    text = "\n".join(_safe(line) for line in body.decode("utf-8", "replace").split("\n"))
    if not body.startswith((b"{", b"[")):
        return text
    return _TOKEN.sub(lambda match: click.style(match[0], fg=_COLOURS[str(match.lastgroup)]), text)


def _safe(text: str) -> str:
    """Printable text, since a terminal obeys control characters and this comes from anywhere."""
    return "".join(sign if sign.isprintable() or sign == "\t" else ascii(sign)[1:-1] for sign in text)


def _dump_json(dump: Dump) -> dict[str, Any]:
    return {
        "path": str(dump.stem),
        "request": _message_json(dump.request),
        "response": _message_json(dump.response),
        "error": dump.error or None,
    }


def _message_json(message: Message | None) -> dict[str, Any] | None:
    if message is None:
        return None
    shown: dict[str, Any] = {"start_line": message.start_line, "headers": message.headers}
    if message.events:
        shown["events"] = [
            {"event": name.decode("utf-8", "replace"), "data": _value(data)} for name, data in message.events
        ]
    else:
        shown["body"] = _value(message.body)
    return shown | {"note": message.note or None}


def _value(body: bytes) -> Any:
    """JSON as it is, anything else as text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
