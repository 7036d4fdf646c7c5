from __future__ import annotations

import pytest

from tests.support import people


@pytest.fixture
async def world(store_url):
    async with people.world(store_url) as made:
        yield made
