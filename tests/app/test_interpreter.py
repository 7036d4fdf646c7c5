from __future__ import annotations

import gc
import sys

import pytest

from aigateway.app import interpreter


@pytest.fixture
def settled():
    before, turn = gc.get_threshold(), sys.getswitchinterval()
    interpreter.settle()
    yield before, turn
    gc.set_threshold(*before)
    sys.setswitchinterval(turn)


def test_what_the_start_made_is_not_looked_at_again_and_what_comes_is_looked_at_less_often(settled):
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000
    assert gc.get_threshold()[0] > settled[0][0]


def test_the_event_loop_waits_for_no_other_thread_longer_than_half_a_millisecond(settled):
    assert sys.getswitchinterval() == pytest.approx(0.0005)
