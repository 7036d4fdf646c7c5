"""In PostgreSQL, triggers that tell all replicas when a key or a user is not what it was (`store.changes`)."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TELL = """
CREATE OR REPLACE FUNCTION aigateway_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('aigateway_access', TG_ARGV[0] || ' ' || OLD.id::text);
    RETURN NULL;
END
$$
"""
# Not that a key was used, which is noted all the time.
_KEY_CHANGED = """
OLD.hashed_secret IS DISTINCT FROM NEW.hashed_secret OR OLD.user_id IS DISTINCT FROM NEW.user_id
OR OLD.id IS DISTINCT FROM NEW.id OR NEW.expires_at < OLD.expires_at
"""
_USER_CHANGED = """
OLD.status IS DISTINCT FROM NEW.status OR OLD.deleted IS DISTINCT FROM NEW.deleted
OR OLD.is_system IS DISTINCT FROM NEW.is_system OR OLD.rbac_roles IS DISTINCT FROM NEW.rbac_roles
OR OLD.username IS DISTINCT FROM NEW.username OR OLD.email IS DISTINCT FROM NEW.email
"""
_TABLES = (("api_keys", "key", _KEY_CHANGED), ("users", "user", _USER_CHANGED))


def upgrade() -> None:
    """Create them."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(_TELL)
    for table, word, changed in _TABLES:
        does = f"FOR EACH ROW {{when}} EXECUTE FUNCTION aigateway_tell_change('{word}')"
        op.execute(f"CREATE TRIGGER aigateway_tell_removal AFTER DELETE ON {table} {does.format(when='')}")
        op.execute(
            f"CREATE TRIGGER aigateway_tell_change AFTER UPDATE ON {table} {does.format(when=f'WHEN ({changed})')}"
        )


def downgrade() -> None:
    """Remove them."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, _, _ in _TABLES:
        for trigger in ("aigateway_tell_removal", "aigateway_tell_change"):
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
    op.execute("DROP FUNCTION aigateway_tell_change()")
