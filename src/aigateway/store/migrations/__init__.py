"""The schema's history, for Alembic; this module does not import it, so that a start-up compares revisions cheaply."""

from __future__ import annotations

REVISIONS = ("0001", "0002")
"""Every revision, oldest first. A new one is added here as well as in `versions/`."""

HEAD = REVISIONS[-1]
"""The revision that this version of the program works with."""
