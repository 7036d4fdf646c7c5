from __future__ import annotations

import pytest

from aigateway.app import services
from benchmarks.bench.layers import WITHOUT, environment


@pytest.mark.parametrize("layer", WITHOUT)
def test_what_a_layer_takes_out_is_what_the_product_wires(layer):
    missing = [name for name in WITHOUT[layer] if not hasattr(services, name)]
    assert not missing, "the composition root names these otherwise now; benchmarks/bench/layers.py must follow"


def test_each_layer_has_all_that_those_before_it_have(tmp_path):
    assert environment("ship", tmp_path) == {}
    assert environment("log", tmp_path).items() < environment("metrics", tmp_path).items()
    assert environment("metrics", tmp_path).items() < environment("dump", tmp_path).items()


def test_the_product_itself_is_a_layer_with_nothing_taken_out():
    assert WITHOUT["ship"] == {}
