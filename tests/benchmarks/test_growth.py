from __future__ import annotations

import pytest

from benchmarks.bench.growth import providers, stored, tokens


@pytest.mark.parametrize("count", [1, 10])
def test_a_route_is_found_among_so_many_providers(count):
    name, cost, _ = providers(count)
    assert name == f"{count} providers"
    assert float(cost) > 0


async def test_people_are_known_by_their_tokens(tmp_path):
    name, remembered, looked_up = await tokens(tmp_path, 3)
    assert name.startswith("3 people")
    assert float(remembered) < float(looked_up.split()[0].replace(",", ""))


async def test_records_are_put_beside_others(tmp_path):
    rows = list(await stored(tmp_path, [0, 50]))
    assert [row[0] for row in rows] == ["0 interceptions stored", "50 interceptions stored"]
    assert all(float(row[1]) > 0 for row in rows)
