from __future__ import annotations

import asyncio
import json
import logging as standard
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aigateway.audit import structured_log
from aigateway.audit.journal import Entry, JournalUnavailable
from aigateway.audit.shipper import Shipper
from aigateway.audit.structured_log import StructuredLog
from aigateway.store.beginnings import Beginning
from aigateway.store.engine import StoreUnavailable
from aigateway.store.records import InterceptionEnd, InterceptionStart, ModelThought, PromptUsage, TokenUsage, ToolUsage
from aigateway.telemetry import output
from aigateway.telemetry.logging import configure, flush, get_logger, is_written, lost
from tests.audit.rows import TIME, end, start

ID = "22222222-2222-4222-8222-222222222222"
PARENT = "33333333-3333-4333-8333-333333333333"
ROOT = "44444444-4444-4444-8444-444444444444"
SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "interception-log.schema.json"
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text()))

STARTED = InterceptionStart(
    interception_id=ID,
    initiator_id="11111111-1111-4111-8111-111111111111",
    api_key_id="abcdefghij",
    provider="anthropic",
    provider_name="anthropic-corp",
    model="claude",
    client="Claude Code",
    client_session_id="s-1",
    correlating_tool_call_id="toolu_1",
    credential_kind="centralized",
    credential_hint="sk-1...2345",
    streaming=True,
    request_bytes=123,
    started_at=TIME,
    metadata={"request_user_agent": "claude-cli/2"},
)
ENDED = InterceptionEnd(
    interception_id=ID,
    ended_at=TIME,
    status_code=529,
    error_type="overloaded",
    error_message="Overloaded",
    duration_ms=1200,
    time_to_first_byte_ms=300,
    response_bytes=77,
    metadata={"kept": "in the record only"},
)
PROMPT = PromptUsage(interception_id=ID, id="p", msg_id="", prompt="why?", created_at=TIME)
USED = TokenUsage(
    interception_id=ID,
    id="t",
    msg_id="msg_1",
    input_tokens=10,
    output_tokens=5,
    cache_read_input_tokens=3,
    cache_write_input_tokens=2,
    created_at=TIME,
    metadata={"service_tier": "standard"},
)
CALLED = ToolUsage(
    interception_id=ID,
    id="c",
    msg_id="msg_1",
    tool_call_id="toolu_2",
    item_id="fc_1",
    tool="Bash",
    input='{"command":"ls"}',
    created_at=TIME,
    metadata={"executor": "client"},
)
THOUGHT = ModelThought(interception_id=ID, id="m", msg_id="msg_1", content="Hm.", created_at=TIME)

EXPECTED = {
    InterceptionStart: {
        "record_type": "interception_start",
        "interception_id": ID,
        "initiator_id": "11111111-1111-4111-8111-111111111111",
        "api_key_id": "abcdefghij",
        "provider": "anthropic",
        "provider_name": "anthropic-corp",
        "model": "claude",
        "client": "Claude Code",
        "client_session_id": "s-1",
        "correlating_tool_call_id": "toolu_1",
        "started_at": TIME,
        "metadata": {"request_user_agent": "claude-cli/2"},
        "thread_parent_id": PARENT,
        "thread_root_id": ROOT,
    },
    InterceptionEnd: {
        "record_type": "interception_end",
        "interception_id": ID,
        "ended_at": TIME,
        "status_code": 529,
        "error_type": "overloaded",
        "error_message": "Overloaded",
        "duration_ms": 1200,
        "time_to_first_byte_ms": 300,
        "response_bytes": 77,
        "streaming": True,
        "request_bytes": 123,
    },
    PromptUsage: {
        "record_type": "prompt_usage",
        "interception_id": ID,
        "msg_id": "",
        "prompt": "why?",
        "created_at": TIME,
        "metadata": {},
    },
    TokenUsage: {
        "record_type": "token_usage",
        "interception_id": ID,
        "msg_id": "msg_1",
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_read_input_tokens": 3,
        "cache_write_input_tokens": 2,
        "created_at": TIME,
        "metadata": {"service_tier": "standard"},
    },
    ToolUsage: {
        "record_type": "tool_usage",
        "interception_id": ID,
        "msg_id": "msg_1",
        "tool_call_id": "toolu_2",
        "tool": "Bash",
        "input": '{"command":"ls"}',
        "server_url": None,
        "injected": False,
        "invocation_error": None,
        "created_at": TIME,
        "metadata": {"executor": "client"},
    },
    ModelThought: {
        "record_type": "model_thought",
        "interception_id": ID,
        "content": "Hm.",
        "created_at": TIME,
        "metadata": {},
    },
}


class Tables:
    """What a store would know of beginnings; it can be away, and it can be wrong."""

    def __init__(self):
        self.beginnings = {ID: Beginning(PARENT, ROOT, streaming=True, request_bytes=123)}
        self.asked = []
        self.failure = None

    async def find(self, ids):
        if self.failure:
            raise self.failure
        self.asked.append(list(ids))
        return {found: self.beginnings[found] for found in ids if found in self.beginnings}


@pytest.fixture
def tables():
    return Tables()


@pytest.fixture
def log(tmp_path):
    root = standard.getLogger()
    before = root.handlers[:], root.level
    log = Log(tmp_path)
    yield log
    configure(human="/dev/stderr", json="")
    standard.captureWarnings(capture=False)
    root.handlers[:], root.level = before


class Log:
    def __init__(self, folder):
        self.human_path, self.json_path = folder / "human", folder / "json"
        configure(human=str(self.human_path), json=str(self.json_path))

    def empty(self):
        flush()
        self.human_path.write_bytes(b"")
        self.json_path.write_bytes(b"")

    @property
    def lines(self):
        flush()
        return [json.loads(line) for line in self.json_path.read_text().splitlines()]

    @property
    def records(self):
        """The fields of what was logged of the record; every such line keeps to the schema."""
        told = [line for line in self.lines if line["msg"] == "interception log"]
        for line in told:
            VALIDATOR.validate(line)
        return [line["fields"] for line in told]

    @property
    def ids(self):
        return [fields["interception_id"] for fields in self.records]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(VALIDATOR.schema)


def entry(seq, records):
    return Entry(seq, records, size=0)


@pytest.mark.parametrize(
    "record", [STARTED, ENDED, PROMPT, USED, CALLED, THOUGHT], ids=lambda record: type(record).__name__
)
async def test_every_record_has_exactly_its_documented_fields(log, tables, record):
    await StructuredLog(tables.find).write([entry(1, [record])])
    assert log.records == [EXPECTED[type(record)]]
    line = log.lines[-1]
    assert (line["msg"], line["level"], line["logger_names"]) == ("interception log", "INFO", ["audit"])
    assert (
        log.human_path.read_text().splitlines()[1].split("] ")[1].startswith(" audit: interception log  record_type=")
    )


def test_the_schema_refuses_what_is_not_documented():
    line = {
        "ts": "2026-01-02T03:04:05.000000006Z",
        "level": "INFO",
        "msg": "interception log",
        "caller": "a.py:1",
        "func": "f",
        "logger_names": ["audit"],
        "fields": EXPECTED[TokenUsage],
    }
    assert VALIDATOR.is_valid(line)
    assert not VALIDATOR.is_valid(line | {"fields": EXPECTED[TokenUsage] | {"more": 1}})
    assert not VALIDATOR.is_valid(line | {"fields": {k: v for k, v in EXPECTED[TokenUsage].items() if k != "msg_id"}})
    assert not VALIDATOR.is_valid(line | {"fields": EXPECTED[TokenUsage] | {"record_type": "other"}})


def test_the_examples_in_the_documentation_are_true():
    page = (SCHEMA.parents[1] / "structured-logs.md").read_text()
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    for example in examples:
        VALIDATOR.validate(example)
    shown = {example["fields"]["record_type"] for example in examples}
    assert shown == {fields["record_type"] for fields in EXPECTED.values()}


async def test_says_once_that_prompts_are_logged_in_clear(log, tables):
    structured = StructuredLog(tables.find)
    for seq in range(1, 4):
        await structured.write([entry(seq, [PROMPT])])
    warnings = [line["msg"] for line in log.lines if line["level"] == "WARN"]
    assert len(warnings) == 1
    assert "in clear" in warnings[0]
    assert "--ai-gateway-structured-logging" in warnings[0]


async def test_what_was_logged_is_not_logged_again(log, tables):
    structured = StructuredLog(tables.find)
    await structured.write([entry(1, [start("a")]), entry(2, [start("b")])])
    await structured.write([entry(1, [start("a")]), entry(2, [start("b")]), entry(3, [end("a")])])
    assert [line["fields"]["interception_id"] for line in log.lines[1:]] == ["a", "b", "a"]


async def test_while_the_store_is_away_nothing_is_logged_halfway(log, tables):
    structured = StructuredLog(tables.find)
    tables.failure = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await structured.write([entry(1, [STARTED])])
    assert log.records == []
    tables.failure = None
    await structured.write([entry(1, [STARTED])])
    assert log.records == [EXPECTED[InterceptionStart]]


async def test_a_store_that_cannot_say_holds_nothing_back(log, tables):
    tables.failure = ValueError("no such id")
    await StructuredLog(tables.find).write([entry(1, [STARTED, end(PARENT)])])
    begun, ended = log.records
    assert (begun["thread_parent_id"], begun["thread_root_id"]) == (None, None)
    assert (ended["streaming"], ended["request_bytes"]) == (None, None)
    assert [line["level"] for line in log.lines] == ["WARN", "ERROR", "INFO", "INFO"]


async def test_the_store_is_asked_once_a_batch_and_only_for_what_it_may_know(log, tables):
    structured = StructuredLog(tables.find)
    await structured.write([entry(1, [start("plain"), PROMPT]), entry(2, [STARTED, ENDED]), entry(3, [end("old")])])
    assert tables.asked == [[ID, "old"]]
    await structured.write([entry(4, [end("plain")])])
    assert tables.asked == [[ID, "old"]]


async def test_how_it_began_is_told_at_its_end_without_the_store(log, tables):
    tables.beginnings.clear()
    structured = StructuredLog(tables.find)
    await structured.write([entry(1, [start(PARENT)])])
    await structured.write([entry(2, [end(PARENT)])])
    begun, ended = start(PARENT), log.records[-1]
    assert (ended["streaming"], ended["request_bytes"]) == (begun.streaming, begun.request_bytes)
    assert tables.asked == []


async def test_no_more_beginnings_are_remembered_than_a_limit(log, tables, monkeypatch):
    monkeypatch.setattr(structured_log, "_MOST_KNOWN", 2)
    structured = StructuredLog(tables.find)
    await structured.write([entry(seq, [start(name)]) for seq, name in enumerate("abc", 1)])
    await structured.write([entry(seq, [end(name)]) for seq, name in enumerate("abc", 4)])
    assert tables.asked == [["a"]]


HOSTILE = [
    'x\n{"msg":"interception log"}',
    "\x1b[2J\x1b[H",
    "\x00\x07\x7f",
    "\ud800 half a pair \udfff",
    "\u202e\u2028\u2029\x85",
    '"}}\n{"',
    "a\n" * 500_000,
    "\x1b" * 100_000,
]


def whole(log, prompt):
    """Whether one record left one line, and one human entry that no text can forge."""
    (line,) = log.json_path.read_bytes().removesuffix(b"\n").split(b"\n")
    VALIDATOR.validate(json.loads(line))
    told = json.loads(line)["fields"]["prompt"]
    assert told == prompt.encode("utf-8", "backslashreplace").decode()
    first, *below = log.human_path.read_bytes().decode().removesuffix("\n").split("\n")
    assert "audit: interception log  record_type=prompt_usage" in first
    assert first.isprintable()
    assert all(text.startswith("  ") and text.isprintable() for text in below)


@pytest.mark.parametrize("prompt", HOSTILE, ids=lambda prompt: repr(prompt[:10]))
async def test_hostile_text_stays_one_line_and_one_safe_entry(log, tables, prompt):
    structured = StructuredLog(tables.find)
    log.empty()
    hostile = PromptUsage(interception_id=ID, id="p", msg_id="", prompt=prompt, created_at=TIME)
    await structured.write([entry(1, [hostile])])
    flush(30)
    whole(log, prompt)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.text(st.characters()))
async def test_any_text_stays_one_line_and_one_safe_entry(log, tables, prompt):
    structured = StructuredLog(tables.find)
    log.empty()
    anything = PromptUsage(interception_id=ID, id="p", msg_id="", prompt=prompt, created_at=TIME)
    await structured.write([entry(1, [anything])])
    flush()
    whole(log, prompt)


# --- with the shipper ---


A, B, C, D = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abcd")


class Sink:
    """A store that is away when it is given `unreachable`, and that dislikes `disliked`."""

    def __init__(self, unreachable=None, disliked=None):
        self.unreachable = unreachable
        self.disliked = disliked

    async def apply(self, records):
        ids = {record.interception_id for record in records}
        if self.disliked in ids:
            raise ValueError("no such row, please")
        if self.unreachable in ids:
            raise StoreUnavailable("away")


async def test_rows_are_logged_once_the_store_has_them(journal, tables, log):
    sink = Sink(unreachable=A)
    shipper = Shipper(journal, sink.apply, StructuredLog(tables.find).write)
    await journal.append([start(A)])
    await journal.append([start(B), end(B)])
    with pytest.raises(StoreUnavailable):
        await shipper.ship_batch()
    assert log.ids == []
    sink.unreachable = None
    await shipper.ship_batch()
    assert log.ids == [A, B, B]


async def test_a_journal_that_fails_after_shipping_logs_nothing_twice(journal, tables, log, monkeypatch):
    shipper = Shipper(journal, Sink().apply, StructuredLog(tables.find).write)
    await journal.append([start(A)])
    discard = journal.discard

    async def fail(_up_to):
        raise JournalUnavailable("disk full")

    monkeypatch.setattr(journal, "discard", fail)
    with pytest.raises(JournalUnavailable):
        await shipper.ship_batch()
    monkeypatch.setattr(journal, "discard", discard)
    assert await shipper.ship_batch() == 1
    assert log.ids == [A]
    assert await journal.backlog() == 0


async def test_a_row_that_the_store_refuses_is_logged_all_the_same_in_order_and_once(journal, tables, log):
    sink = Sink(unreachable=C, disliked=B)
    shipper = Shipper(journal, sink.apply, StructuredLog(tables.find).write)
    for name in (A, B, C, D):
        await journal.append([start(name)])
    with pytest.raises(StoreUnavailable):
        await shipper.ship_batch()
    assert log.ids == [A, B]
    sink.unreachable = None
    await shipper.ship_batch()
    assert log.ids == [A, B, C, D]


# --- with a log that does not keep up ---


async def test_a_log_that_is_only_slow_loses_nothing(tables, log, monkeypatch):
    monkeypatch.setattr(output, "_MAX_ENTRIES", 100)
    monkeypatch.setattr(output, "_CHUNK", 1)
    monkeypatch.setattr(structured_log, "_PATIENCE_STEPS", 10_000)
    before = lost()
    structured = StructuredLog(tables.find)
    await structured.write([entry(seq, [PROMPT]) for seq in range(1, 3001)])
    assert len(log.records) == 3000
    assert lost() == before


class Hanging:
    """A log in a pipe that nobody reads yet, and how often its writer was waited for."""

    def __init__(self, path, monkeypatch):
        os.mkfifo(path)
        self.path = path
        self.waits = 0
        self._read = False
        self._sleep = asyncio.sleep
        configure(human="", json=str(path))
        get_logger("filler").info("x" * 1_000_000)
        monkeypatch.setattr(structured_log.asyncio, "sleep", self.wait)

    async def wait(self, seconds):
        self.waits += 1
        await self._sleep(seconds if self._read else 0)

    def read(self):
        """Read it from now on, whoever writes."""
        self._read = True
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self):
        with self.path.open("rb") as pipe:
            while pipe.read(65536):
                pass


@pytest.fixture
def hanging(log, tmp_path, monkeypatch):
    hanging = Hanging(tmp_path / "fifo", monkeypatch)
    yield hanging
    hanging.read()


async def test_a_log_that_hangs_is_waited_for_once_and_what_it_loses_is_counted(tables, hanging, monkeypatch):
    monkeypatch.setattr(output, "_MAX_ENTRIES", 100)
    before = lost()
    structured = StructuredLog(tables.find)
    for seq in range(1, 501):
        await structured.write([entry(seq, [PROMPT])])
    assert 0 < hanging.waits <= structured_log._PATIENCE_STEPS
    assert lost() - before >= 300


async def test_a_log_that_works_again_is_waited_for_again(tables, hanging):
    structured = StructuredLog(tables.find)
    await structured.write([entry(1, [PROMPT])])
    await structured.write([entry(2, [PROMPT])])
    assert hanging.waits == structured_log._PATIENCE_STEPS
    hanging.read()
    flush(30)
    await structured.write([entry(3, [PROMPT])])
    assert is_written()()


async def test_the_journal_forgets_a_row_only_when_it_is_in_the_log(journal, tables, log, monkeypatch):
    seen = []
    discard = journal.discard

    async def look(up_to):
        seen.append(log.json_path.read_text().count("interception log"))
        await discard(up_to)

    monkeypatch.setattr(journal, "discard", look)
    shipper = Shipper(journal, Sink().apply, StructuredLog(tables.find).write)
    await journal.append([start(A), end(A)])
    await shipper.ship_batch()
    assert seen == [2]
