"""Alembic's entrance: it runs the revisions on the connection that `aigateway.store.migrations.run` hands over."""

from __future__ import annotations

from alembic import context

from aigateway.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
