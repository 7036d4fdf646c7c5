from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigateway.tools.names import marked_name, model_name

TAKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def test_a_name_that_every_provider_takes_is_the_documented_one():
    assert model_name("github", "get_me") == "bmcp_github_get_me"
    assert len(model_name("github", "x" * 52)) == 64
    assert "x" * 52 in model_name("github", "x" * 52)


@pytest.mark.parametrize("tool", ["get me", "issues/list", "größe", "x" * 53, "a.b", "\n", "☃" * 90])
def test_other_names_are_made_safe_and_keep_apart(tool):
    name = model_name("github", tool)
    assert TAKEN.fullmatch(name)
    assert name.startswith("bmcp_github_")
    assert name == model_name("github", tool), "the same every time"
    assert name not in {model_name("github", f"{tool}."), model_name("gitlab", tool)}


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_tools_never_share_a_name(one, other):
    names = {model_name("s", one), model_name("s", other)}
    assert all(map(TAKEN.fullmatch, names))
    assert len(names) == len({one, other})


def test_a_mark_tells_servers_apart_whose_names_run_into_one():
    assert marked_name("a", "b_c") != marked_name("a_b", "c")
