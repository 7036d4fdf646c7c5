from __future__ import annotations

import asyncio
import gzip
import json
import os
import pty
import subprocess
import sys

import pytest

from aigateway.audit.dumps.dumps import Dumps
from aigateway.cli import dumps as commands

ID = "11111111-1111-4111-8111-111111111111"
EVENTS = b'event: message_start\ndata: {"type":"message_start","n":1.50}\n\ndata: [DONE]\n\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three dumps: a stream, a compressed answer that repeats a key, and none."""
    monkeypatch.setattr(
        "aigateway.audit.dumps.dumps._now_ms", iter(range(1_700_000_000_000, 1_800_000_000_000)).__next__
    )
    dumps = Dumps(tmp_path / "dumps", max_file_size=10**6, max_total_size=10**8)
    dumps.start()
    body = b'{"model":"sim","text":"\\u001b[31mred"}'
    stream = dumps.intercepted("corp", "sim", ID).request("POST", "/v1/messages", [], body)
    stream.answer(200, [(b"content-type", b"text/event-stream; charset=utf-8")])
    stream.piece(EVENTS)
    stream.end()
    packed = dumps.intercepted("corp", "zip", ID).request("POST", "/v1/messages", [], body)
    packed.answer(200, [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")])
    packed.piece(gzip.compress(b'{"echo":"ghp_' + b"a1B2" * 9 + b'"}'))
    packed.broken("the rest of the answer was not read")
    dumps.passed_through("corp", "/v1/models").request("GET", "/v1/models", [], b"").failed("no way there\x1b[2J")
    asyncio.run(dumps.close())
    return dumps.folder


def path_of(folder, model, suffix):
    (path,) = (folder / "corp" / model).glob(f"*{suffix}")
    return str(path)


@pytest.mark.parametrize("suffix", [".req.txt", ".resp.txt"])
def test_any_file_of_a_pair_shows_the_pair(cli, folder, suffix):
    result = cli(commands.command, "show", path_of(folder, "sim", suffix))
    assert result.exit_code == 0, result.output
    assert "POST /v1/messages HTTP/1.1\n" in result.output
    assert "HTTP/1.1 200 OK\n" in result.output
    assert (
        'event: message_start\n{\n  "type": "message_start",\n  "n": 1.50\n}\n\nevent: message\n[DONE]\n'
        in result.output
    )
    assert "\x1b" not in result.output
    without_suffix = cli(commands.command, "show", path_of(folder, "sim", suffix).removesuffix(suffix))
    assert without_suffix.output == result.output


def test_a_compressed_answer_is_decoded_and_masked(cli, folder):
    result = cli(commands.command, "show", path_of(folder, "zip", ".resp.txt"))
    assert '{\n  "echo": "ghp_********************************a1B2"\n}' in result.output
    assert "[the rest of the answer was not read]" in result.output


def test_a_reason_is_shown_without_what_a_terminal_obeys(cli, folder):
    result = cli(commands.command, "show", path_of(folder, "passthrough", ".req_error.txt"))
    assert "no way there\\x1b[2J" in result.output


def test_show_as_json(cli, folder):
    shown = json.loads(cli(commands.command, "show", path_of(folder, "sim", ".req.txt"), "-o", "json").output)
    assert shown["request"]["body"] == {"model": "sim", "text": "\x1b[31mred"}
    assert shown["response"]["events"] == [
        {"event": "message_start", "data": {"type": "message_start", "n": 1.5}},
        {"event": "", "data": "[DONE]"},
    ]
    assert shown["error"] is None
    shown = json.loads(cli(commands.command, "show", path_of(folder, "passthrough", ".req.txt"), "-o", "json").output)
    assert shown["response"] is None
    assert shown["error"].startswith("no way there")


def test_list(cli, folder, monkeypatch):
    result = cli(commands.command, "list", str(folder))
    lines = result.output.splitlines()
    assert lines[0].split() == ["STARTED", "AT", "PROVIDER", "MODEL", "RESPONSE", "BYTES", "PATH"]
    assert [line.split()[:5] for line in lines[1:]] == [
        ["2023-11-14", "22:13:20", "corp", "sim", "yes"],
        ["2023-11-14", "22:13:20", "corp", "zip", "yes"],
        ["2023-11-14", "22:13:20", "corp", "passthrough", "no"],
    ]
    monkeypatch.setenv("CODER_AI_GATEWAY_DUMP_DIR", str(folder))
    listed = json.loads(cli(commands.command, "list", "-o", "json").output)
    assert [dump["id"] for dump in listed][:2] == [ID, ID]
    assert cli(commands.command, "show", listed[0]["path"]).exit_code == 0


def test_what_is_no_dump(cli, folder, tmp_path):
    result = cli(commands.command, "show", str(tmp_path / "nothing"))
    assert result.exit_code == 1
    assert "is no dump" in result.output
    assert cli(commands.command, "list", str(tmp_path / "nothing")).exit_code == 2


def test_colours_are_for_terminals_only(folder):
    words = [sys.executable, "-m", "aigateway", "dumps", "show", path_of(folder, "sim", ".req.txt")]
    assert b"\x1b" not in subprocess.run(words, capture_output=True, check=True).stdout
    terminal, end = pty.openpty()
    shown = b""
    with subprocess.Popen(words, stdout=end, stdin=end) as process:
        os.close(end)
        try:
            while data := os.read(terminal, 65536):
                shown += data
        except OSError:
            pass  # Linux says so when the other end is closed
        assert process.wait() == 0
    os.close(terminal)
    assert b'\x1b[34m"type"\x1b[0m: \x1b[32m"message_start"\x1b[0m' in shown
    assert b"\x1b[31mred" not in shown
