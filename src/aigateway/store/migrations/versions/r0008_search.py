"""Full-text search: the index's documents, what waits to be taken in, and, in SQLite, FTS5's table of words.

What is on record already is taken in afterwards, by the server, a slice at a time (`store.search.index`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import UtcTime, Uuid36, Words

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WORDS = """
CREATE VIRTUAL TABLE aigateway_search_words
USING fts5(who, words, content='', columnsize=0, tokenize='unicode61 remove_diacritics 0')
"""
_ALL_THAT_IS_THERE = """
INSERT INTO aigateway_search_tasks (name)
SELECT 'backfill' WHERE EXISTS (SELECT 1 FROM aibridge_interceptions WHERE ended_at IS NOT NULL)
"""


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "aigateway_search_documents",
        sa.Column("id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("interception_id", Uuid36, nullable=False),
        sa.Column("words", Words, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("interception_id"),
    )
    op.create_table(
        "aigateway_search_queue",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("interception_id", Uuid36, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_aigateway_search_queue_interception_id", "aigateway_search_queue", ["interception_id"])
    op.create_table(
        "aigateway_search_tasks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("interception_id", Uuid36),
        sa.PrimaryKeyConstraint("name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_aigateway_search_documents_words", "aigateway_search_documents", ["words"], postgresql_using="gin"
        )
    else:
        op.execute(_WORDS)
    op.execute(_ALL_THAT_IS_THERE)


def downgrade() -> None:
    """Remove them."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE aigateway_search_words")
    for table in ("aigateway_search_tasks", "aigateway_search_queue", "aigateway_search_documents"):
        op.drop_table(table)
