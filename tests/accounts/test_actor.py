from __future__ import annotations

import pytest

from aigateway.accounts.actor import Actor


@pytest.mark.parametrize(
    "fields",
    [("", "ann", "a@b", "key"), ("id", "", "a@b", "key"), ("id", "ann", "", "key"), ("id", "ann", "a@b", "")],
)
def test_nobody_is_no_actor(fields):
    with pytest.raises(ValueError, match="An actor has"):
        Actor(*fields, frozenset())


def test_a_service_has_no_address():
    assert Actor("id", "ci", None, "key", frozenset()).email is None
