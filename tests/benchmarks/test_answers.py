from __future__ import annotations

import json
import re
import zlib

import pytest

from aigateway.wire.facts import ApiFormat
from aigateway.wire.observe import observer_for
from benchmarks.bench.answers import DIGITS, MARK, answer
from benchmarks.bench.cases import CASES, body
from benchmarks.bench.plan import Plan

APIS = {"chat": ApiFormat.CHAT, "messages": ApiFormat.MESSAGES, "responses": ApiFormat.RESPONSES}


def data_of(api, plan):
    """The body that a client reads, its chunks put together."""
    found = answer(api, plan)
    if not found.pieces:
        return found.head.partition(b"\r\n\r\n")[2]
    sent = b"".join(before + (b"" if after is None else b"%020d" % 1 + after) for before, after in found.pieces)
    data = b""
    while (size := int((line := sent.partition(b"\r\n")[0]), 16)) > 0:
        start = len(line) + 2
        data += sent[start : start + size]
        assert sent[start + size : start + size + 2] == b"\r\n"
        sent = sent[start + size + 2 :]
    assert sent == b"0\r\n\r\n"
    return data


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("plan", [Plan(), Plan(events=60, interval_ms=20)], ids=["whole", "stream"])
def test_an_observer_finds_in_an_answer_what_it_used(api, plan):
    kind = "text/event-stream" if plan.events else "application/json"
    observer = observer_for(APIS[api], content_type=kind, content_encoding="", status=200)
    observer.feed(data_of(api, plan))
    facts = observer.facts()
    assert facts.complete
    assert facts.usage is not None
    assert facts.usage.input_tokens == 57
    assert facts.usage.output_tokens > 0


@pytest.mark.parametrize("api", APIS)
def test_each_word_of_a_stream_is_a_piece_that_says_when_it_was_sent(api):
    found = answer(api, Plan(events=60, interval_ms=20))
    timed = [piece for piece in found.pieces if piece.after is not None]
    assert len(timed) == 60
    assert all(piece.before.endswith(MARK) for piece in timed)
    assert data_of(api, Plan(events=60)).count(MARK + b"%0*d" % (DIGITS, 1)) == 60


@pytest.mark.parametrize("api", APIS)
def test_a_compressed_stream_reads_the_same(api):
    plain = re.sub(rb"@0+1", b"@" + b"0" * DIGITS, data_of(api, Plan(events=5, interval_ms=20)))
    packed = zlib.decompress(data_of(api, Plan(events=5, interval_ms=20, gzip=True)), wbits=31)
    assert packed.replace(b"-gzip", b"") == plain


@pytest.mark.parametrize("plan", [Plan(), Plan(60, 20, 0), Plan(0, 0, 4096, gzip=True)])
def test_a_request_asks_for_its_plan_by_its_models_name(plan):
    assert Plan.read(json.dumps({"model": plan.model}).encode()) == plan


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_is_as_long_as_it_says_and_asks_for_what_its_case_wants(case):
    text = body(case.way, case.plan, case.body)
    assert len(text) == case.body
    assert Plan.read(text.encode()) == case.plan
    assert json.loads(text)["stream"] is bool(case.plan.events)
