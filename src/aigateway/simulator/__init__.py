"""A provider that answers from a script: for trying out, for tests, for benchmarks.

It speaks OpenAI's Chat Completions and Responses and Anthropic's Messages as the real ones do, streaming and not, and
it is deterministic: the same request body gets the same answer, ids and counts included. What it does beside a polite
answer (tool calls, thinking, errors, broken streams, …) is asked for by a scenario, see `aigateway.simulator.scenario`.
"""

from __future__ import annotations

from aigateway.simulator.received import ReceivedRequest
from aigateway.simulator.scenario import SCENARIOS
from aigateway.simulator.server import Simulator, SimulatorThread

__all__ = ["SCENARIOS", "ReceivedRequest", "Simulator", "SimulatorThread"]
