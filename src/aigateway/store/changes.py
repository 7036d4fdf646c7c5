"""What replicas tell each other through PostgreSQL (LISTEN and NOTIFY): that a key or a user is not what it was.

Triggers tell it (revision 0003), so that a change counts whoever made it, a person with `psql` included. A message is
two words: `key <id>` or `user <id>`. A `beat <text>` means nothing but that messages arrive: PostgreSQL delivers them
in the order of commits, so whoever hears a beat has heard all that was committed before it was sent.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

CHANNEL = "aigateway_access"
KEY, USER, BEAT = "key", "user", "beat"


def send_beat(connection: Connection, text: str) -> None:
    """Send a beat to everybody, this process included."""
    connection.execute(select(func.pg_notify(CHANNEL, f"{BEAT} {text}")))
