"""Imported last by what servers are forked from: keeps their collectors of garbage from all that it has imported.

A collector that looks at an object writes to it, so each server would copy nearly all of its memory as it starts.
"""

from __future__ import annotations

import gc

gc.collect()
gc.freeze()
