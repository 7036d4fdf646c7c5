"""Logs: one way in for our own loggers and for those of the libraries, up to two written forms out."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import FrameType
from typing import Any, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from aigateway.telemetry.destination import Destination
from aigateway.telemetry.entry import Entry

_LEVELS = {"warning": "WARN", "exception": "ERROR", "notset": "DEBUG"}
_TOO_TALKATIVE = ("aiosqlite",)
"""Libraries whose debug entries repeat every value that is stored: prompts, hashes of passwords and tokens."""
_LOGGING_MODULES = ("structlog", __name__)


class _Outputs:
    """The destinations in use. Until `configure` is called, what matters goes to standard error."""

    def __init__(self, human: str, json: str, debug: Sequence[re.Pattern[str]]) -> None:
        self.human = Destination(human) if human else None
        try:
            self.json = Destination(json) if json else None
        except OSError:
            if self.human:
                self.human.close()
            raise
        self.debug = tuple(debug)

    def selects(self, logger_name: str, message: str) -> bool:
        """Whether a debug entry is wanted."""
        return any(pattern.search(f"{logger_name}: {message}") for pattern in self.debug)

    def write(self, entry: Entry) -> None:
        if self.human:
            self.human.write(entry.as_human(colour=self.human.is_terminal))
        if self.json:
            self.json.write(entry.as_json())

    def close(self) -> None:
        for destination in (self.human, self.json):
            if destination:
                destination.close()


_outputs = _Outputs("/dev/stderr", "", ())


def configure(*, human: str, json: str, debug: Sequence[re.Pattern[str]] = ()) -> None:
    """Send all log entries, those of libraries included, to the destinations named; empty is off.

    Debug entries are written when a pattern of `debug` is found in `logger.name: message`.

    Raises:
        OSError: when a destination cannot be opened; its `filename` is the path. What was set before stays.
    """
    global _outputs
    before, _outputs = _outputs, _Outputs(human, json, debug)
    before.close()
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger whose entries carry `name`, which may have parts with dots: `gateway.upstream`.

    Call it with a constant message and everything that varies as keywords: `log.info("key cools down", provider=name)`.
    """
    logger = structlog.wrap_logger(
        None,
        processors=[_deliver],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        context_class=dict,
        cache_logger_on_first_use=True,
        logger_name=name,
    )
    return cast("FilteringBoundLogger", logger)


def _deliver(_: object, method: str, event: EventDict) -> EventDict:
    """The one processor: turns the call into an entry and writes it."""
    name, message = event.pop("logger_name"), str(event.pop("event"))
    if method == "debug" and not _outputs.selects(name, message):
        raise structlog.DropEvent
    exc_info = event.pop("exc_info", None)
    frame = _calling_frame()
    _outputs.write(
        Entry(
            time_ns=time.time_ns(),
            level=_LEVELS.get(method, method.upper()),
            message=message,
            caller=f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}",
            func=frame.f_code.co_qualname,
            logger_names=tuple(name.split(".")),
            fields={**event, **_failure(exc_info)} if exc_info else event,
        )
    )
    raise structlog.DropEvent


def _calling_frame() -> FrameType:
    frame = sys._getframe(2)  # noqa: SLF001 - the documented way to the caller, and the one that costs nothing
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_LOGGING_MODULES):
        frame = frame.f_back
    return frame


def _short(path: str) -> str:
    """The last two parts of a file's path: the module and its folder."""
    return "/".join(PurePath(path).parts[-2:])


def _failure(exc_info: object) -> Mapping[str, str]:
    """The fields that tell of an exception: `error` in one line, `stack` in full."""
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
    if error is None:
        return {}
    return {"error": f"{type(error).__name__}: {error}", "stack": "".join(traceback.format_exception(error)).rstrip()}


class _LibraryHandler(logging.Handler):
    """Takes what libraries log by the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's wrong format string is shown unformatted
            message = str(record.msg)
        if record.levelno < logging.INFO and not _outputs.selects(record.name, message):
            return
        fields: dict[str, Any] = dict(_failure(record.exc_info)) if record.exc_info else {}
        _outputs.write(
            Entry(
                time_ns=int(record.created * 1_000_000) * 1_000,
                level=_LEVELS.get(record.levelname.lower(), record.levelname),
                message=message,
                caller=f"{_short(record.pathname)}:{record.lineno}",
                func=record.funcName or "",
                logger_names=tuple(record.name.split(".")),
                fields=fields,
            )
        )
