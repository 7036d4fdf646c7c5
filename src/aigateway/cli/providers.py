"""`aigateway providers list | test`: which providers the server would use with these settings, and how they do now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from aigateway.cli.configuration import ServersOptions, given, read
from aigateway.cli.output import output_option, print_json, print_table
from aigateway.cli.rest import connect
from aigateway.settings.model import Settings
from aigateway.settings.providers import ProviderSettings

_ROUTES = "/api/v2/ai-gateway"


@click.group()
def command() -> None:
    """Look at the providers that are set, and test them."""


@command.command("list", cls=ServersOptions)
@click.option("--live", is_flag=True, help="Ask the running gateway how its providers' keys and circuit breakers do.")
@output_option
def list_(output: str, *, live: bool, **_: object) -> None:
    """List the providers that the server would use, and where each setting comes from.

    Reads the same variables, YAML file and options as `aigateway server`. With --live it asks the gateway that you are
    signed in to instead, as an owner or an auditor may.
    """
    if live:
        _print_live(output)
        return
    settings = read(given(click.get_current_context())).settings
    providers = list(_described(settings))
    if output == "json":
        print_json(providers)
        return
    columns = ("name", "type", "route", "base_url", "keys", "status", "sources")
    print_table(
        [column.replace("_", " ") for column in columns], [[_cell(each[c]) for c in columns] for each in providers]
    )


@command.command()
@click.argument("name", required=False)
@output_option
def test(name: str | None, output: str) -> None:
    """Let the running gateway call a provider, or each of them, with the key that the next request would show.

    It asks for the list of models, which costs nothing. The status is 1 when one of them is not good. Only owners may.
    """
    client = connect()
    names = [name] if name else [each["name"] for each in client.get("ai", "providers", "status")]
    found = [client.call("POST", "ai", "providers", each, "test") for each in names]
    if output == "json":
        print_json(found)
    else:
        print_table(["name", "good", "status", "took", "key", "what it is"], [_tested(each) for each in found])
    if not all(each["ok"] for each in found):
        sys.exit(1)


def _tested(probe: dict[str, Any]) -> list[Any]:
    good = "yes" if probe["ok"] else "no"
    return [probe["name"], good, probe["status"], f"{probe['latency_ms']} ms", probe["key"], probe["message"]]


def _print_live(output: str) -> None:
    statuses = connect().get("ai", "providers", "status")
    if output == "json":
        print_json(statuses)
        return
    print_table(
        ["name", "type", "keys", "circuit breakers"],
        [
            [each["name"], each["type"], [*map(_live_key, each["keys"])], [*map(_live_breaker, each["breakers"])]]
            for each in statuses
        ],
    )


def _live_key(key: dict[str, Any]) -> str:
    return f"{key['hint'] or 'unknown'}: {key['state']}{_until(key)}"


def _live_breaker(breaker: dict[str, Any]) -> str:
    return f"{breaker['endpoint']} {breaker['model']}: {breaker['state']}{_until(breaker)}"


def _until(state: dict[str, Any]) -> str:
    return f" until {state['until']}" if state["until"] else ""


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
