from __future__ import annotations

import gc

import pytest

from aigateway.app import garbage


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_the_start_made_is_not_looked_at_again_and_what_comes_is_looked_at_less_often(collector):
    before = gc.get_threshold()
    garbage.stay()
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000
    assert gc.get_threshold()[0] > before[0]
