from __future__ import annotations

import pytest

from benchmarks.bench.client import whole
from benchmarks.bench.clients import WORK, left_out, measure
from benchmarks.bench.plan import Plan
from benchmarks.bench.targets import nginx_program

DONE = b"data: [DONE]\n\n"


def test_every_client_gets_a_figure_for_every_case(tmp_path):
    head, *rows = measure(tmp_path, rounds=1, part=0.0)
    ways = ("", ", TLS") if nginx_program() else ("",)
    assert head[1:3] == ["ours", "aiohttp"]
    assert [row[0] for row in rows] == [work.says + way for way in ways for work in WORK]
    for case, *figures in rows:
        for name, figure in zip(head[1:], figures, strict=True):
            # In clear, nobody agrees on HTTP/2.
            assert (figure == "-") is (name.endswith("HTTP/2") and not case.endswith("TLS")), (case, name)


def test_what_is_not_installed_is_said_to_be_left_out(monkeypatch):
    monkeypatch.setattr("benchmarks.bench.clients.nginx_program", lambda: None)
    assert any("nginx" in line for line in left_out())


@pytest.mark.parametrize("got", [b"", b"@" * 59 + DONE, b"@" * 60, b"@" * 60 + DONE[:-1]])
def test_part_of_a_stream_is_not_an_answer(got):
    assert not whole(got, Plan(events=60))
    assert whole(b"@" * 60 + DONE, Plan(events=60))


def test_part_of_a_json_answer_is_not_an_answer():
    assert not whole(b"{}", Plan())
