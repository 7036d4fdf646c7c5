from __future__ import annotations

import pytest

from aigateway.store.engine import Store


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(f"sqlite:///{tmp_path / 'aigateway.sqlite3'}")
    yield opened
    await opened.close()
