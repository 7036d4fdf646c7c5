"""The disk becomes read-only under the server, as Linux does to a file system with errors, and is mended later."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from aigateway.audit.segments import Segments
from aigateway.store.records import InterceptionEnd, InterceptionStart
from tests.gateway.conftest import stage  # noqa: F401 - a fixture
from tests.gateway.stage import CHAT, MESSAGES
from tests.support.waiting import eventually


@pytest.fixture
def disk(monkeypatch):
    """A disk that can be made read-only: the system then says to the journal what it says on a real one."""

    class Disk:
        read_only = False

    def append(files, data, seq):
        if Disk.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(files, data, seq)

    real = Segments.append
    monkeypatch.setattr(Segments, "append", append)
    return Disk


async def test_requests_are_refused_and_say_why_until_it_is_mended(stage, disk):  # noqa: F811
    disk.read_only = True
    answer = await stage.ask("openai/v1/chat/completions", CHAT | {"stream": True})
    assert answer.status == 503
    assert "Read-only file system" in answer.error["message"]
    disk.read_only = False
    answer = await stage.ask("openai/v1/chat/completions", CHAT | {"stream": True})
    assert answer.status == 200
    assert answer.complete
    seen = {answer.headers["x-ai-gateway-interception-id"]}
    begun = {record.interception_id for record in await stage.records() if isinstance(record, InterceptionStart)}
    assert seen - begun == set()


async def test_an_answer_that_is_under_way_does_not_end_as_if_all_were_well_and_is_on_record_later(stage, disk):  # noqa: F811
    client = stage.client("anthropic/v1/messages", MESSAGES | {"stream": True}, sim="long:20+slow:10")
    running = asyncio.create_task(client.run())
    await eventually(lambda: client.answer.pieces)
    disk.read_only = True
    answer = await running
    assert b"message_stop" not in answer.body
    assert b"cannot be put on record" in answer.body
    disk.read_only = False
    stage.journal.appended.clear()
    async with asyncio.timeout(10):
        await stage.journal.appended.wait()
    _, ended, _, (usage,) = await stage.record()
    assert isinstance(ended, InterceptionEnd)
    assert usage.output_tokens > 0
    assert await stage.journal.unfinished() == []
