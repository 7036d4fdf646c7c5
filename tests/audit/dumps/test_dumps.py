from __future__ import annotations

import os
import re
import stat
import threading
from pathlib import Path

import pytest

from aigateway.audit.dumps import writer
from aigateway.audit.dumps.dumps import DumpDirUnusable, Dumps
from aigateway.telemetry import logging as logs
from tests.support.waiting import eventually

MEGABYTE = 1024 * 1024
ID = "11111111-1111-4111-8111-111111111111"
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer sk-ant-api03-0123456789")]


@pytest.fixture
def log(tmp_path):
    """What is logged, as text."""
    path = tmp_path / "log"
    logs.configure(human=str(path), json="")
    yield path.read_text
    logs.configure(human="/dev/stderr", json="")


@pytest.fixture
async def make(tmp_path):
    """Makes an open folder of dumps."""
    made = []

    def make(**limits):
        dumps = Dumps(tmp_path / "dumps", **{"max_file_size": MEGABYTE, "max_total_size": 10 * MEGABYTE} | limits)
        dumps.start()
        made.append(dumps)
        return dumps

    yield make
    for dumps in made:
        await dumps.close()


def ask(dumps, *, model="gpt-5", body=b'{"model":"gpt-5"}'):
    return dumps.intercepted("openai", model, ID).request("POST", "/v1/responses", HEADERS, body)


def files(dumps):
    return {str(path.relative_to(dumps.folder)): path.read_bytes() for path in dumps.folder.rglob("*.txt")}


def named(dumps, suffix):
    (content,) = [content for name, content in files(dumps).items() if name.endswith(suffix)]
    return content


async def test_a_pair_of_files(make):
    dumps = make()
    pair = ask(dumps, model="meta/llama")
    pair.answer(200, [(b"content-type", b"text/event-stream")])
    pair.piece(b"data: {}\n\nda")
    pair.piece(b"ta: [DONE]\n\n")
    pair.end()
    pair.broken("nobody hears this any more")
    await dumps.close()
    names = sorted(files(dumps))
    assert len(names) == 2
    for name, suffix in zip(names, (r"\.req\.txt", r"\.resp\.txt"), strict=True):
        assert re.fullmatch(rf"openai/meta-llama/\d{{13}}-{ID}{suffix}", name)
    assert named(dumps, ".req.txt").endswith(b'\r\n\r\n{\n  "model": "gpt-5"\n}\n')
    assert b"Authorization: Bear...6789\r\n" in named(dumps, ".req.txt")
    assert named(dumps, ".resp.txt") == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\ndata: [DONE]\n\n"
    )


async def test_only_the_owner_may_look(make):
    before = os.umask(0)
    try:
        dumps = make()
        ask(dumps).failed("x")
        await dumps.close()
    finally:
        os.umask(before)
    folders = [dumps.folder, *(path for path in dumps.folder.rglob("*") if path.is_dir())]
    assert len(folders) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in dumps.folder.rglob("*.txt")} == {0o600}


async def test_the_answer_is_written_as_it_streams(make):
    dumps = make()
    pair = ask(dumps)
    pair.answer(200, [])
    pair.piece(b"data: 1\n\n")
    await eventually(lambda: b"data: 1\n\n" in b"".join(files(dumps).values()))
    pair.piece(b"data: 2\n\n")
    await eventually(lambda: b"data: 2\n\n" in b"".join(files(dumps).values()))


async def test_no_answer_leaves_the_reason_instead(make):
    dumps = make()
    ask(dumps).failed("the provider could not be reached")
    await dumps.close()
    assert named(dumps, ".req_error.txt") == b"the provider could not be reached\n"
    assert len(files(dumps)) == 2


async def test_an_answer_that_breaks_off_says_so(make):
    dumps = make()
    pair = ask(dumps)
    pair.answer(200, [])
    pair.piece(b"data: hal")
    pair.broken("the connection ended")
    await dumps.close()
    assert named(dumps, ".resp.txt").endswith(b"data: hal\n[dump: the connection ended]\n")


async def test_inner_requests_are_numbered(make):
    dumps = make()
    series = dumps.intercepted("openai", "gpt-5", ID)
    for _ in range(3):
        series.request("POST", "/", [], b"").failed("x")
    await dumps.close()
    assert [re.sub(r".*/\d+-", "", name) for name in sorted(files(dumps)) if name.endswith(".req.txt")] == [
        f"{ID}-2.req.txt",
        f"{ID}-3.req.txt",
        f"{ID}.req.txt",
    ]


async def test_what_passes_through_has_a_folder(make):
    dumps = make()
    dumps.passed_through("openai", "/v1/models").request("GET", "/v1/models", [], b"").failed("x")
    await dumps.close()
    assert all(
        re.fullmatch(r"openai/passthrough/\d{13}-v1-models-[0-9a-f]{4}\.req(_error)?\.txt", n) for n in files(dumps)
    )


async def test_compressed_answers_are_kept_as_they_came(make):
    dumps = make()
    pair = ask(dumps)
    pair.answer(200, [(b"Content-Encoding", b"gzip")])
    pair.piece(b"\x1f\x8b sk-ant-api03-0123456789")
    pair.end()
    await dumps.close()
    assert named(dumps, ".resp.txt").endswith(b"\r\n\r\n\x1f\x8b sk-ant-api03-0123456789")


async def test_an_error_that_repeats_the_key_is_masked(make):
    dumps = make()
    pair = ask(dumps)
    pair.answer(401, [])
    pair.piece(b'{"error": "Incorrect API key: sk-ant-api0')
    pair.piece(b'3-0123456789"}')
    pair.end()
    await dumps.close()
    assert b"sk-a***************6789" in named(dumps, ".resp.txt")


async def test_a_file_has_a_largest_size(make):
    dumps = make(max_file_size=1000)
    pair = ask(dumps, body=b"x" * 5000)
    pair.answer(200, [])
    for _ in range(100):
        pair.piece(b"data: 12345678901234567890\n")
    pair.end()
    await dumps.close()
    for suffix in (".req.txt", ".resp.txt"):
        content = named(dumps, suffix)
        assert content.endswith(b"\n[dump: cut here, the file has reached --ai-gateway-dump-max-file-size]\n")
        assert len(content) < 1100
    assert dumps.lost == 0


async def test_all_files_together_have_a_largest_size_and_it_is_said_once(make, log):
    dumps = make(max_total_size=3000)
    for _ in range(10):
        if dumps.intercepted("openai", "m", ID):
            pair = ask(dumps, model=str(_), body=b"x" * 1000)
            pair.failed("x")
        await eventually(dumps._writer._queue.empty)
    assert dumps.intercepted("openai", "m", ID) is None
    assert dumps.passed_through("openai", "/x") is None
    assert sum(len(content) for content in files(dumps).values()) < 4000
    await eventually(lambda: log().count("have reached their size") == 1)
    assert "--ai-gateway-dump-max-total-size" in log()
    for path in dumps.folder.rglob("*.txt"):
        path.unlink()
    dumps.count_anew()
    await eventually(lambda: dumps.intercepted("openai", "m", ID))


async def test_dumps_of_an_earlier_run_count(make, tmp_path, log):
    old = tmp_path / "dumps" / "openai" / "m"
    old.mkdir(parents=True)
    (old / "1-x.req.txt").write_bytes(b"x" * 3000)
    dumps = make(max_total_size=3000)
    assert dumps.intercepted("openai", "m", ID) is None


async def test_a_full_queue_delays_nobody(make, monkeypatch, log):
    monkeypatch.setattr(writer, "MOST_QUEUED_BYTES", 10_000)
    dumps = make()
    go_on = threading.Event()

    def stall():
        go_on.wait(30)

    dumps._writer.put(stall, 1)
    pair = ask(dumps)
    pair.answer(200, [])
    for _ in range(20):
        pair.piece(b"x" * 999 + b"\n")
    pair.end()
    late = ask(dumps, model="late", body=b"x" * 10_000)
    late.answer(200, [])
    late.end()
    go_on.set()
    await dumps.close()
    content = named(dumps, ".resp.txt")
    assert content.endswith(b"\n[dump: cut here, dumps could not be written fast enough]\n")
    assert 5000 < len(content) < 10_000
    assert not any("late" in name for name in files(dumps))
    assert dumps.lost == 2
    await eventually(lambda: log().count("cannot be written fast enough") == 1)


async def test_a_disk_that_takes_nothing_fails_no_request(make, log):
    dumps = make()
    (dumps.folder / "openai").write_text("a file where a folder should be")
    for _ in range(3):
        pair = ask(dumps)
        pair.answer(200, [])
        pair.piece(b"x")
        pair.end()
    await dumps.close()
    assert dumps.lost == 6
    await eventually(lambda: log().count("a dump could not be written") == 1)


async def test_a_link_is_not_followed(make, tmp_path, monkeypatch):
    monkeypatch.setattr("aigateway.audit.dumps.dumps._now_ms", lambda: 1)
    dumps = make()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (dumps.folder / "openai" / "gpt-5").mkdir(parents=True)
    (dumps.folder / "openai" / "gpt-5" / f"1-{ID}.req.txt").symlink_to(victim)
    ask(dumps).failed("x")
    await dumps.close()
    assert victim.read_text() == "precious"


async def test_a_folder_that_cannot_be_made_names_the_option(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DumpDirUnusable, match=r"--ai-gateway-dump-dir .*Not a directory"):
        Dumps(Path(tmp_path / "file" / "dumps"), max_file_size=1, max_total_size=1).start()
