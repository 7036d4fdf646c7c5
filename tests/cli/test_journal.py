"""`aigateway journal` over real journals and a real database."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3

import pytest

from aigateway.audit.frames import Kind, frame, frames
from aigateway.audit.journal import Journal
from aigateway.audit.journals import Journals
from aigateway.cli.main import main
from tests.audit.rows import end, start


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("CODER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CODER_AI_GATEWAY_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def left_behind(data_dir):
    """A journal of a process that died: one request done, one cut, and one entry that no database takes."""

    async def fill():
        claim = Journals(data_dir / "journal").claim()
        journal = Journal(claim.path)
        await journal.open()
        await journal.append([start("11111111-1111-4111-8111-111111111111")])
        await journal.append([end("11111111-1111-4111-8111-111111111111")])
        await journal.append([start("22222222-2222-4222-8222-222222222222")])
        await journal.close()
        claim.release()
        return claim.path

    return asyncio.run(fill())


def records(data_dir):
    rows = sqlite3.connect(data_dir / "aigateway.sqlite3")
    found = dict(rows.execute("SELECT id, error_type FROM aibridge_interceptions"))
    rows.close()
    return found


def test_nothing_is_there_yet(cli):
    result = cli(main, "journal", "status", "-o", "json")
    assert result.exit_code == 0
    assert json.loads(result.output)["journals"] == []
    assert cli(main, "journal", "ship").exit_code == 0
    assert cli(main, "journal", "export").output == ""


def test_status_tells_what_waits(cli, left_behind):
    (state,) = json.loads(cli(main, "journal", "status", "-o", "json").output)["journals"]
    assert (state["holder_pid"], state["waiting"], state["unfinished"], state["rejected"]) == (None, 3, 1, 0)
    assert state["oldest_age_seconds"] > 0
    table = cli(main, "journal", "status").output
    assert "none" in table
    assert "pid" not in table


def test_ship_moves_it_to_the_database_and_removes_the_journal(cli, data_dir, left_behind):
    result = cli(main, "journal", "ship")
    assert result.exit_code == 0, result.output
    assert "0: shipped." in result.output
    assert records(data_dir) == {
        "11111111-1111-4111-8111-111111111111": None,
        "22222222-2222-4222-8222-222222222222": "interrupted",
    }
    assert not left_behind.exists()
    assert cli(main, "journal", "ship").exit_code == 0


def test_what_a_running_server_holds_is_left_to_it(cli, data_dir, left_behind):
    claim = Journals(data_dir / "journal").claim()
    result = cli(main, "journal", "ship")
    assert result.exit_code == 0
    assert f"0: held by the server with pid {os.getpid()}" in result.output
    assert left_behind.exists()
    assert json.loads(cli(main, "journal", "status", "-o", "json").output)["journals"][0]["holder_pid"] == os.getpid()
    claim.release()


def test_a_database_that_cannot_be_opened_is_said_and_nothing_is_lost(cli, data_dir, left_behind):
    (data_dir / "aigateway.sqlite3").mkdir()
    result = cli(main, "journal", "ship")
    assert result.exit_code == 1
    assert "Nothing was shipped" in result.output + result.stderr
    assert left_behind.exists()


def test_what_the_database_refuses_is_kept_and_can_be_printed(cli, data_dir, left_behind):
    (file,) = left_behind.iterdir()
    content = file.read_bytes()
    place = next(one.end for one in frames(content) if one.seq == 2)
    file.write_bytes(content[:place] + frame(Kind.ENTRY, 4, b"[]{") + content[place:])
    result = cli(main, "journal", "ship")
    assert result.exit_code == 0
    assert "1 entries that the database refuses" in result.output
    (line,) = cli(main, "journal", "export", "--rejected").output.splitlines()
    assert json.loads(line)["reason"].startswith("cannot be read")
    assert cli(main, "journal", "export").output == ""


def test_export_prints_what_waits_line_by_line(cli, left_behind):
    lines = [json.loads(line) for line in cli(main, "journal", "export").output.splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert lines[0]["records"][0]["record_type"] == "interception_start"


def test_a_broken_file_is_named_and_what_can_be_read_of_it_is_printed(cli, data_dir, left_behind):
    (file,) = left_behind.iterdir()
    content = bytearray(file.read_bytes())
    content[:20] = os.urandom(20)
    file.write_bytes(content)
    cli(main, "journal", "ship")
    status = json.loads(cli(main, "journal", "status", "-o", "json").output)
    (broken,) = [each["file"] for each in status["set_aside"]]
    assert "export" in cli(main, "journal", "status").stderr
    lines = [json.loads(line) for line in cli(main, "journal", "export", broken).output.splitlines()]
    found = {record["interception_id"] for line in lines for record in line["records"]}
    assert found == {"11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"}


def test_a_file_that_is_not_there_is_said(cli):
    assert cli(main, "journal", "export", "/no/such/file").exit_code == 2
