from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from aigateway.store.tables import metadata
from aigateway.store.times import rfc3339, utc_now


def test_the_tables_are_postgresql_tables_as_well():
    dialect = postgresql.dialect()
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
