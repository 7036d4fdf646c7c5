"""`python -m aigateway.simulator --port N` runs the simulator alone."""

from __future__ import annotations

import asyncio
import sys

import click

from aigateway.simulator.scenario import SCENARIOS
from aigateway.simulator.server import Simulator


@click.command(epilog="Scenarios: " + ", ".join(SCENARIOS))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--event-interval", default=2.0, show_default=True, help="Milliseconds between the events of a stream.")
def main(host: str, port: int, event_interval: float) -> None:
    """Run a provider that answers from a script, until interrupted."""

    async def serve() -> None:
        async with Simulator(host=host, port=port, event_interval=event_interval / 1000, keep=0) as simulator:
            click.echo(
                f"Simulated provider on {simulator.url} (OpenAI: {simulator.url}/v1, Anthropic: {simulator.url})"
            )
            await asyncio.Event().wait()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
