"""Regular expressions that choose among an MCP server's tools.

The names that they are searched in come from a stranger, so an expression that may take for ever is refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from re import _constants as codes  # type: ignore[attr-defined]  # the library's own parser, which it does not export
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any


def parse_tool_pattern(text: str) -> re.Pattern[str]:
    """Read an expression.

    Raises:
        ValueError: with what to do, when it is none or may take too long.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[` means the same for as long as this Python runs
            pattern = re.compile(text)
            nested = _nests_repeats(parser.parse(text))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression ({error}); write one, for example ^get_|^list_") from None
    if nested:
        raise ValueError(
            "repeats what repeats already, which may take for ever on some names; write it without, "
            "for example [a-z_]+ for ([a-z]+_?)+"
        )
    return pattern


def _nests_repeats(parsed: Iterable[tuple[Any, Any]], *, within: bool = False) -> bool:
    """Whether something that may repeat without end holds another."""
    for code, argument in parsed:
        endless = code in {codes.MAX_REPEAT, codes.MIN_REPEAT} and argument[1] == codes.MAXREPEAT
        if endless and within:
            return True
        if any(_nests_repeats(below, within=within or endless) for below in _below(argument)):
            return True
    return False


def _below(argument: Any) -> Iterator[Any]:
    """The parts of which a part consists."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple | list):
        for part in argument:
            yield from _below(part)
