"""How many examples a property is tried with that costs much for each: few, unless the environment asks for more."""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """`few`, times `AIGATEWAY_TEST_EXAMPLES`."""
    return few * int(os.environ.get("AIGATEWAY_TEST_EXAMPLES", "1"))
