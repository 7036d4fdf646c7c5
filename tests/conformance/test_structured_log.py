"""The whole program's log, as pipelines read it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from anthropic import Anthropic
from jsonschema import Draft202012Validator

from tests.conformance.conftest import configured
from tests.support.server import GatewayProcess
from tests.support.waiting import wait_until

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "interception-log.schema.json"
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text()))
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
PROMPT = "what is it like?\n2026-01-02 03:04:05.000 [info]  audit: forged\x1b[2J call weather"


@pytest.fixture
def start(simulator, tmp_path):
    """Starts a gateway that logs what it records."""
    running = []

    def start(**env):
        gateway = GatewayProcess(
            tmp_path, configured(simulator.url) | {"CODER_AI_GATEWAY_STRUCTURED_LOGGING": "true"} | env
        )
        gateway.start()
        running.append(gateway)
        return gateway

    yield start
    for gateway in running:
        gateway.__exit__()


def converse(gateway, prompt=PROMPT):
    """A question, the model's tool call, and its result."""
    with Anthropic(base_url=f"{gateway.base}/anthropic", api_key=gateway.token, max_retries=0) as client:
        asked = [{"role": "user", "content": prompt}]
        more = {"model": "claude-opus-5-5", "max_tokens": 2048, "tools": [WEATHER]}
        with client.messages.stream(
            messages=asked, thinking={"type": "enabled", "budget_tokens": 1024}, **more
        ) as open_:
            first = open_.get_final_message()
        call = next(block for block in first.content if block.type == "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        asked += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        client.messages.create(messages=asked, **more)


def records(path):
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    told = [line for line in lines if line["msg"] == "interception log"]
    for line in told:
        VALIDATOR.validate(line)
    return [line["fields"] for line in told]


def of(kind, told):
    return [fields for fields in told if fields["record_type"] == kind]


def test_every_row_of_the_record_is_in_the_log_once(start, tmp_path):
    path = tmp_path / "log.json"
    gateway = start(CODER_LOGGING_JSON=str(path))
    converse(gateway)
    wait_until(lambda: len(of("interception_end", records(path))) == 2)
    assert gateway.stop() == 0
    told = records(path)
    first, second = of("interception_start", told)
    assert (first["provider"], first["provider_name"], first["thread_parent_id"]) == ("anthropic", "anthropic", None)
    assert second["thread_parent_id"] == second["thread_root_id"] == first["interception_id"]
    (prompt,) = of("prompt_usage", told)
    assert prompt["prompt"] == PROMPT
    ended = of("interception_end", told)
    assert [(end["streaming"], end["status_code"]) for end in ended] == [(True, 200), (False, 200)]
    assert all(end["request_bytes"] and end["duration_ms"] >= 0 for end in ended)
    assert len(of("token_usage", told)) == 2
    assert [call["tool"] for call in of("tool_usage", told)] == ["weather"]
    assert len(of("model_thought", told)) == 1
    human = gateway.log.splitlines()
    assert not [line for line in human if line.startswith("2026-01-02 03:04:05.000")]
    assert "\x1b" not in gateway.log
    assert len([line for line in human if "written to the log in clear" in line]) == 1
    assert not [line for line in human if "[info]" in line and ("uvicorn" in line or "alembic.runtime.plugins" in line)]


def test_both_forms_on_standard_error_are_both_whole(start):
    gateway = start(CODER_LOGGING_JSON="/dev/stderr")
    converse(gateway)
    wait_until(lambda: gateway.log.count('"record_type":"interception_end"') == 2)
    lines = [line for line in gateway.log.splitlines() if line.startswith("{")]
    for line in lines:
        if json.loads(line)["msg"] == "interception log":
            VALIDATOR.validate(json.loads(line))
    assert gateway.log.count("audit: interception log  record_type=") == len([x for x in lines if "record_type" in x])


def test_logrotate_moves_the_file_and_sends_sighup(start, tmp_path):
    path = tmp_path / "log.json"
    gateway = start(CODER_LOGGING_JSON=str(path))
    converse(gateway)
    wait_until(lambda: len(of("interception_end", records(path))) == 2)
    path.rename(tmp_path / "log.json.1")
    os.kill(gateway.pid, signal.SIGHUP)
    wait_until(path.exists)
    converse(gateway)
    wait_until(lambda: len(of("interception_end", records(path))) == 2)
    assert len(of("interception_end", records(tmp_path / "log.json.1"))) == 2


@pytest.mark.parametrize("destination", ["fifo", "/dev/full"])
def test_a_log_that_cannot_be_written_holds_up_neither_requests_nor_the_record_nor_the_end(
    start, tmp_path, destination
):
    if destination == "fifo":
        destination = str(tmp_path / "fifo")
        os.mkfifo(destination)
    gateway = start(CODER_LOGGING_JSON=destination)
    for number in range(3):
        converse(gateway, f"{number} {'x' * 40_000} call weather")
    wait_until(lambda: len(gateway.interceptions()) == 6)
    assert gateway.stop() == 0
    assert f"log entries could not be written to {destination}" in gateway.log
