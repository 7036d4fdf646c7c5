from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from aigateway.store.tables import metadata_for_postgresql
from aigateway.store.times import rfc3339, utc_now
from aigateway.store.types import without_nul


def test_the_tables_are_postgresql_tables_as_well():
    dialect = postgresql.dialect()
    metadata = metadata_for_postgresql()
    made = {table.name: str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables}
    indexes = [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.tables.values()
        for index in table.indexes
    ]
    record = made["aibridge_interceptions"]
    for wanted in (
        "id UUID NOT NULL",
        "started_at TIMESTAMP WITH TIME ZONE NOT NULL",
        "metadata JSONB",
        "CAST(thread_root_id AS TEXT)",
        "STORED",
    ):
        assert wanted in record
    assert any("lower(username)" in index and "WHERE deleted = false" in index for index in indexes)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        rfc3339(utc_now().replace(tzinfo=None))
    assert len(rfc3339(utc_now().replace(microsecond=0))) == 27


def test_nul_characters_are_replaced_wherever_they_are():
    row = {"prompt": "a\x00b", "metadata": {"\x00": ["\x00", 1, None, {"k": "ok"}]}, "input_tokens": 3}
    assert without_nul(row) == {
        "prompt": "a\ufffdb",
        "metadata": {"\ufffd": ["\ufffd", 1, None, {"k": "ok"}]},
        "input_tokens": 3,
    }


def test_neither_the_orm_nor_the_bridge_to_coroutines_nor_postgresql_is_imported():
    """They would double the time that the import takes."""
    unwanted = {"sqlalchemy.orm", "greenlet", "sqlalchemy.dialects.postgresql"}
    script = f"import sys, aigateway.store.ingest; print({unwanted} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
