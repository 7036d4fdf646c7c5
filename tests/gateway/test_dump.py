"""Dumps of what goes to a provider and comes back; the bytes that the client gets are not touched."""

from __future__ import annotations

import asyncio
import json

import pytest

from aigateway.audit.dumps.dumps import Dumps
from tests.gateway.stage import CHAT, MESSAGES, TOKEN
from tests.gateway.test_intercept import APIS
from tests.providers.making import provider

KEY = "sk-central-0123456789abcdef"


@pytest.fixture
async def dumped(stage, tmp_path):
    """The stage with dumps; `await dumped()` gives the files by suffix, once they are all written."""
    dumps = Dumps(tmp_path / "dumps", max_file_size=10**6, max_total_size=10**8)
    dumps.start()
    stage.dumps = dumps

    async def read():
        await dumps.close()
        return {path.name.partition(".")[2]: path for path in dumps.folder.rglob("*.txt")}

    return read


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("path", "payload"), APIS)
async def test_a_pair_per_request_and_the_same_bytes_for_the_client(stage, dumped, path, payload, streaming):
    answer = await stage.ask(path, payload | {"stream": streaming})
    files = await dumped()
    assert set(files) == {"req.txt", "resp.txt"}
    head, _, body = files["resp.txt"].read_bytes().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == answer.body
    head, _, body = files["req.txt"].read_bytes().partition(b"\r\n\r\n")
    assert head.startswith(b"POST /")
    assert b" HTTP/1.1\r\n" in head
    assert json.loads(body) == payload | {"stream": streaming}
    begun, _, _, _ = await stage.record()
    stem = files["req.txt"].name.partition(".")[0]
    assert stem.partition("-")[2] == begun.interception_id
    assert files["req.txt"].parent == stage.dumps.folder / path.partition("/")[0] / "sim"
    written = b"".join(path.read_bytes() for path in files.values())
    assert KEY.encode() not in written
    assert TOKEN.encode() not in written
    assert b"sk-c...cdef" in written or b"Bear...cdef" in written


async def test_what_is_masked_in_the_dump_reaches_the_provider(stage, dumped):
    payload = CHAT | {"user": "ghp_" + "a1B2" * 9, "metadata": {"password": "hunter2"}}
    body = json.dumps(payload).encode()
    await stage.ask("openai/v1/chat/completions", body=body)
    assert stage.sim.requests[-1].body == body
    shown = (await dumped())["req.txt"].read_text()
    assert "hunter2" not in shown
    assert "a1B2a1B2" not in shown


async def test_a_provider_that_cannot_be_reached_leaves_the_reason(stage, dumped):
    stage.providers["openai"] = provider("openai", base_url="http://127.0.0.1:1/v1")
    answer = await stage.ask("openai/v1/chat/completions", CHAT)
    assert answer.status == 502
    files = {path.name.partition("-")[2]: path for path in (await dumped())["req.txt"].parent.iterdir()}
    assert sum(name.endswith(".req_error.txt") for name in files) == 2, "the second attempt has files of its own"
    for name, path in files.items():
        if name.endswith(".req_error.txt"):
            assert path.read_text() == "the provider could not be reached: connection refused\n"


async def test_a_provider_that_does_not_begin_leaves_the_reason(stage, dumped):
    stage.first_byte_timeout = 0.2
    assert (await stage.ask("openai/v1/chat/completions", CHAT, sim="hang")).status == 504
    files = await dumped()
    assert "broken off" in files["req_error.txt"].read_text()
    assert "resp.txt" not in files


async def test_a_cut_stream_is_dumped_as_far_as_it_came(stage, dumped):
    await stage.ask("anthropic/v1/messages", MESSAGES | {"stream": True}, sim="drop:3")
    text = (await dumped())["resp.txt"].read_bytes()
    assert b"event: message_start" in text
    assert b"\n[dump: the provider's connection ended" in text


async def test_a_client_that_goes_away_is_seen(stage, dumped):
    async def leave(client):
        client.gone.set()

    client = stage.client("openai/v1/chat/completions", CHAT | {"stream": True}, sim="hang:2", on_piece=leave)
    async with asyncio.timeout(20):
        await client.run()
    assert b"\n[dump: the rest of the answer was not read]\n" in (await dumped())["resp.txt"].read_bytes()


async def test_what_passes_through_is_dumped(stage, dumped):
    answer = await stage.ask("openai/v1/models", method="GET", query=b"limit=5")
    assert answer.status == 200
    files = await dumped()
    assert files["req.txt"].read_bytes().startswith(b"GET /v1/models?limit=5 HTTP/1.1\r\n")
    assert files["resp.txt"].parent == stage.dumps.folder / "openai" / "passthrough"
    assert "-v1-models-" in files["resp.txt"].name


@pytest.mark.parametrize(
    "model", ["..", "../../../etc/passwd", "a\0b", "m" * 300, "日本/語", "\ud800", "", "passthrough"]
)
async def test_no_model_name_escapes_or_fails(stage, dumped, model):
    answer = await stage.ask("openai/v1/chat/completions", CHAT | {"model": model})
    assert answer.status in {200, 400}
    files = await dumped()
    if answer.status == 200:
        assert files["req.txt"].parent.parent == stage.dumps.folder / "openai"


async def test_a_folder_that_is_gone_fails_no_request(stage, dumped):
    stage.dumps.folder.rmdir()
    assert (await stage.ask("openai/v1/chat/completions", CHAT)).status == 200
