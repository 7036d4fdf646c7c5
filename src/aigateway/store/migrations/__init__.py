"""The schema's history, for Alembic; this module does not import it, so that a start-up compares revisions cheaply.

Rules for a new revision, since replicas of the version before it serve on while it runs, and after it:

- Expand first, contract later. Add tables, columns with a default or NULL, and indexes. What the version before still
  reads or writes is removed, renamed or narrowed one release later at the earliest.
- Never rewrite or lock a table that may be large. Indexes come by `steps.build_index`; a column's default is constant;
  a constraint is added NOT VALID and validated in a revision of its own. Rows are never changed in bulk.
- It may be interrupted, and is then run again from its beginning.
- On PostgreSQL each revision is a transaction of its own, with a short `lock_timeout`; on SQLite all are one.
- A released revision is never changed. Tests bring a database of each released one, with rows in it, up to date.
"""

from __future__ import annotations

REVISIONS = tuple(f"{number:04}" for number in range(1, 15))
"""Every revision, oldest first. A new one is counted here and put into `versions/`."""

HEAD = REVISIONS[-1]
"""The revision that this version of the program works with."""
