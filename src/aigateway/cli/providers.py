"""`aigateway providers list`: which providers the server would use with these settings, without running it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from aigateway.cli.configuration import given, parameters, read, spelt_out
from aigateway.cli.output import output_option, print_json, print_table
from aigateway.settings.model import Settings
from aigateway.settings.providers import ProviderSettings

_ROUTES = "/api/v2/ai-gateway"


class _ServersOptions(click.Command):
    """Takes the options of the server, without listing them again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.params += parameters()
        for parameter in self.params:
            if isinstance(parameter, click.Option):
                parameter.hidden = parameter.name not in {"output", "config"}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spelt_out(args))


@click.group()
def command() -> None:
    """Look at the providers that are set."""


@command.command("list", cls=_ServersOptions)
@output_option
def list_(output: str, **_: object) -> None:
    """List the providers that the server would use, and where each setting comes from.

    Reads the same variables, YAML file and options as `aigateway server`.
    """
    settings = read(given(click.get_current_context())).settings
    providers = list(_described(settings))
    if output == "json":
        print_json(providers)
        return
    columns = ("name", "type", "route", "base_url", "keys", "status", "sources")
    print_table(
        [column.replace("_", " ") for column in columns], [[_cell(each[c]) for c in columns] for each in providers]
    )


def _described(settings: Settings) -> Iterator[dict[str, Any]]:
    for provider in settings.providers:
        yield _description(provider, "ready" if settings.gateway.enabled else "ready, but the gateway is not enabled")
    for unusable in settings.unusable_providers:
        yield _description(unusable.provider, f"unusable: {unusable.reason}")


def _description(provider: ProviderSettings, status: str) -> dict[str, Any]:
    return {
        "name": provider.name,
        "type": provider.type.value,
        "route": f"{_ROUTES}/{provider.name}",
        "base_url": provider.base_url,
        "keys": _keys(provider),
        "status": status,
        "sources": dict(provider.sources),
    }


def _keys(provider: ProviderSettings) -> list[str]:
    if provider.bedrock is None:
        return [key.hint for key in provider.keys]
    return [key.id.hint for key in provider.bedrock.access_keys] or ["AWS's default credential chain"]


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return [f"{part}: {source}" for part, source in value.items()]
    return value
