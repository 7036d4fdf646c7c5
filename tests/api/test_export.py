from __future__ import annotations

import csv
import io
import json
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.api import export
from aigateway.api.csv_rows import cell
from aigateway.store.engine import StoreUnavailable
from aigateway.store.ingest import apply
from tests.api.test_sessions import asked
from tests.store.stories import uid

BASE = "/api/v2/ai-gateway"


@pytest.fixture
async def ask(world, client):
    ann = await world.user("ann")
    for number in range(1, 8):
        prompt = ("=1+1", "+x", "-x", "@x", "\tx", 'a "b", c\nd', "plain")[number - 1]
        await world.store.write(apply, asked(number, number, ann, prompt, session=f"s{number}", calls=f"c{number}"))
    headers = {"Coder-Session-Token": await world.token(ann)}

    async def asking(what, **params):
        return await client.get(f"{BASE}/{what}/export", params=params, headers=headers)

    return asking


async def test_csv_of_requests_is_safe_for_spreadsheets(ask):
    answer = await ask("interceptions")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="interceptions.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["prompt"] for row in rows] == ["plain", 'a "b", c\nd', "'\tx", "'@x", "'-x", "'+x", "'=1+1"]
    assert (rows[0]["id"], rows[0]["initiator"], rows[0]["session_id"]) == (uid(7), "ann", "s7")
    assert (rows[0]["input_tokens"], rows[0]["tools"], rows[0]["streaming"], rows[0]["error_type"]) == (
        "5",
        "shell",
        "true",
        "",
    )


async def test_csv_of_sessions(ask):
    rows = list(csv.DictReader(io.StringIO((await ask("sessions", format="csv")).text, newline="")))
    assert [row["id"] for row in rows] == [f"s{number}" for number in range(7, 0, -1)]
    assert (rows[-1]["last_prompt"], rows[-1]["models"], rows[-1]["threads"]) == ("'=1+1", "sim", "1")


@pytest.mark.parametrize("what", ["interceptions", "sessions"])
async def test_json_lines_hold_what_the_list_holds_over_many_reads(monkeypatch, ask, client, world, what):
    monkeypatch.setattr(export, "_READ_AT_ONCE", 2)
    answer = await ask(what, format="jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == 7
    auditor = {"Coder-Session-Token": await world.token(await world.user("boss", "auditor"))}
    listed = (await client.get(f"{BASE}/{what}", headers=auditor)).json()
    assert lines == listed["results" if what == "interceptions" else "sessions"]


async def test_a_search_selects(ask):
    assert len((await ask("sessions", q="session_id:s3", format="jsonl")).text.splitlines()) == 1
    assert (await ask("sessions", q="model:none", format="jsonl")).text == ""
    assert (await ask("sessions", q="word")).status_code == 400
    assert (await ask("interceptions", format="xml")).status_code == 400


async def test_a_database_that_is_away_at_the_start_is_told(monkeypatch, ask, world):
    real = world.store.read

    async def away(work, *args, **kwargs):
        if work.__name__ == "below":
            raise StoreUnavailable("away")
        return await real(work, *args, **kwargs)

    monkeypatch.setattr(world.store, "read", away)
    assert (await ask("sessions")).status_code == 503


def resident():
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("chosen", export.Format)
async def test_an_export_of_a_hundred_thousand_requests_needs_the_memory_of_a_page(chosen):
    async def read(after):
        page = (after or 0) + 1
        return [{"id": "x" * 50, "prompt": f"{page} " * 50} for _ in range(250)] if page <= 400 else [], page

    columns = {"id": lambda shaped: shaped["id"], "prompt": lambda shaped: shaped["prompt"]}
    answer = await export._stream("interceptions", chosen, read, columns, SimpleNamespace(username="ann"), {})
    lines, largest, sizes = 0, 0, []
    async for piece in answer.body_iterator:
        lines += piece.count(b"\n")
        largest = max(largest, len(piece))
        sizes.append(resident())
    assert lines == 100_000 + (chosen is export.Format.CSV)
    assert largest < 1 << 20
    assert sizes[-1] - sizes[20] < 16 << 20


@given(st.text(max_size=20) | st.integers() | st.none() | st.booleans() | st.lists(st.text(max_size=5)))
def test_no_cell_is_a_formula(value):
    told = cell(value)
    assert isinstance(value, int) or not told.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
