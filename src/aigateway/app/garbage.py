"""The collector of cyclic garbage, set for a server: it must not stop streams to look at what never goes away."""

from __future__ import annotations

import gc

_YOUNG = 10_000
"""New containers before the collector looks at them; one request makes and drops some hundred."""
_MIDDLE = 20
_OLD = 50


def stay() -> None:
    """What is here now is here to stay: the collector never looks at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
