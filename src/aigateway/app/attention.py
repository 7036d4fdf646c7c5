"""What an operator should see to, as the first page tells."""

from __future__ import annotations

from datetime import timedelta

from aigateway.app.services import Services
from aigateway.audit.journal import JournalUnavailable
from aigateway.settings.model import Settings
from aigateway.store.engine import StoreUnavailable
from aigateway.store.failures import count_unreadable
from aigateway.store.times import utc_now
from aigateway.web.site import Notice

_LATELY = timedelta(hours=1)
_LONG_BACKLOG = 1000
"""Entries. The shipper takes 500 at a time, several times a second."""


async def notices(settings: Settings, services: Services) -> list[Notice]:
    """What is wrong now, in the process that answers; empty when all is well."""
    return [
        *_gateway(settings, services),
        *await _journal(services),
        *await _unreadable(services),
        *_providers(settings, services),
        *_tool_servers(services),
    ]


def _gateway(settings: Settings, services: Services) -> list[Notice]:
    found = []
    if not settings.gateway.enabled:
        found.append(Notice("The gateway is not enabled.", "Start the server with --ai-gateway-enabled=true."))
    if not services.providers:
        found.append(Notice("No provider is configured.", "Set CODER_AI_GATEWAY_PROVIDER_0_TYPE and its key."))
    found += [
        Notice(f"The provider {unusable.provider.name} is left out.", f"It {unusable.reason}.")
        for unusable in settings.unusable_providers
    ]
    return found


async def _journal(services: Services) -> list[Notice]:
    try:
        backlog, rejected = await services.journal.backlog(), await services.journal.rejected()
    except JournalUnavailable as error:
        return [Notice(f"The journal cannot be used: {error}", "Requests are refused until it can.")]
    found = []
    if services.shipper.failing:
        found.append(
            Notice(
                f"{backlog:,} entries wait in the journal, since the database is away.",
                "The server's log says why. Nothing is lost.",
            )
        )
    elif backlog > _LONG_BACKLOG:
        found.append(Notice(f"{backlog:,} entries wait in the journal.", "The database is slower than the requests."))
    if rejected:
        found.append(
            Notice(
                f"The database refused {rejected:,} entries of the record.",
                "They are kept in the journal, each with the reason.",
            )
        )
    if unrecorded := services.records.unrecorded:
        found.append(
            Notice(f"{unrecorded:,} requests were served without being on record.", "The server's log says why.")
        )
    return found


async def _unreadable(services: Services) -> list[Notice]:
    try:
        count = await services.store.read(count_unreadable, since=utc_now() - _LATELY)
    except StoreUnavailable:
        return []  # Told above, or by the page itself.
    if not count:
        return []
    return [
        Notice(
            f"{count:,} answers of the last hour could not be read whole.",
            "Clients got them all the same; their records lack something. Each has the reason in its raw facts.",
        )
    ]


def _providers(settings: Settings, services: Services) -> list[Notice]:
    found = []
    for provider in services.providers.values():
        takes_own = settings.gateway.allow_byok or provider.type.value == "copilot"
        if not (provider.keys or provider.signers or takes_own):
            found.append(
                Notice(f"The provider {provider.name} has no key.", "Set one, or allow people to bring theirs.")
            )
    for status in services.provider_states.statuses():
        if any(breaker.state == "open" for breaker in status.breakers):
            found.append(Notice(f"The provider {status.name} is overloaded or away.", "It is spared for the moment."))
        resting = [key for key in status.keys if key.state != "valid"]
        if resting:
            text = f"{len(resting)} of {len(status.keys)} keys of the provider {status.name} rest."
            found.append(Notice(text, "Look at Providers for each of them."))
    return found


def _tool_servers(services: Services) -> list[Notice]:
    return [
        Notice(f"The MCP server {status.name} cannot be used: {status.error}.", "Its tools are left out of requests.")
        for status in services.tools.statuses()
        if status.reachable is False
    ]
