"""Counting what passes through (data-plane spec 20)."""

from __future__ import annotations

from aigateway.gateway.client import Client
from aigateway.gateway.passthrough import PassesThrough
from aigateway.gateway.request import Request
from aigateway.telemetry.labels import method_label
from aigateway.telemetry.metrics import Metrics


class MeasuredPassThrough:
    """Counts the requests that another one relays, by the entry of the route table, never by the path."""

    def __init__(self, inner: PassesThrough, metrics: Metrics) -> None:
        self._inner = inner
        self._counter = metrics.passthrough

    async def run(self, request: Request, client: Client) -> None:
        """Count, and serve."""
        provider = request.route.provider
        entry = provider.routes.entry(request.route.path)
        self._counter.labels(provider.name, entry, method_label(request.method)).inc()
        await self._inner.run(request, client)
