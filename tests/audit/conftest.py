from __future__ import annotations

import pytest

from aigateway.audit.journal import Journal


@pytest.fixture
async def journal(tmp_path):
    journal = Journal(tmp_path / "journal")
    await journal.open()
    yield journal
    await journal.close()
