from __future__ import annotations

import pytest

from tests.support import people


@pytest.fixture
async def world(tmp_path):
    async with people.world(tmp_path) as made:
        yield made
