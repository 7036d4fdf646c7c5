from __future__ import annotations

from pathlib import Path

import pytest

from aigateway.simulator.scenario import SCENARIOS, Ending, UnknownScenarioError, find, parse


def test_parts_and_numbers():
    scenario = parse("thinking+drop:3+gzip")
    assert "thinking" in scenario
    assert scenario.ending == Ending("drop", 3)
    assert scenario.encoding == "gzip"
    assert parse("error-429:7").retry_after == 7
    assert parse("error-event").status is None


def test_the_header_wins_over_the_text():
    assert "long" in find(" LONG ", "sim:tools")
    assert "tools" in find(None, "please sim:tools, thanks")
    assert not find(None, "asim:tools or sim tools").parts


@pytest.mark.parametrize("text", ["nothing", "cut:x", "cut:-1"])
def test_what_is_unknown_is_refused(text):
    with pytest.raises(UnknownScenarioError, match="knows no scenario"):
        parse(text)


def test_every_scenario_is_documented():
    page = Path(__file__).parents[2].joinpath("docs", "simulator.md").read_text("utf-8")
    for name, meaning in SCENARIOS.items():
        assert f"| `{name}` | {meaning} |" in page
