"""Tables of hash chains, which prove that the record is as it was written (`store.chain`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aigateway.store.types import UtcTime, Uuid36

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "audit_chains",
        sa.Column("id", Uuid36, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
        sa.Column("begun_at", UtcTime, nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "audit_chain_links",
        sa.Column("chain_id", Uuid36, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("interception_id", Uuid36),
        sa.Column("detail", sa.Text()),
        sa.Column("purged", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("chain_id", "position"),
        sqlite_with_rowid=False,
    )
    chained = sa.text("interception_id IS NOT NULL")
    op.create_index(
        "ix_audit_chain_links_interception_id",
        "audit_chain_links",
        ["interception_id"],
        sqlite_where=chained,
        postgresql_where=chained,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("audit_chain_links")
    op.drop_table("audit_chains")
