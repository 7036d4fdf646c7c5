"""Logs: one way in for our own loggers and for those of the libraries, up to three written forms out."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from re import Pattern
from types import CodeType
from typing import Any

from aigateway.telemetry.destination import Destination
from aigateway.telemetry.entry import Entry
from aigateway.telemetry.output import Output, losses

_LEVELS = {"WARNING": "WARN", "NOTSET": "DEBUG"}
"""Levels of the standard library that we call otherwise."""
_TOO_TALKATIVE = ("botocore", "sqlalchemy", "urllib3")
"""Libraries whose debug entries repeat what is stored or signed: prompts, hashes of passwords and tokens."""
_TELL_NO_NEWS = ("uvicorn", "alembic")
"""Libraries whose informational entries only repeat what ours say."""
_EXIT_SECONDS = 2.0


class Logger:
    """Call it with a constant message and everything that varies as fields: `info("key cools down", provider=name)`."""

    __slots__ = ("_name", "_names")

    def __init__(self, name: str) -> None:
        self._name = name
        self._names = tuple(name.split("."))

    def debug(self, message: str, /, **fields: Any) -> None:
        """Say what only somebody who looks for it wants to know; written when the filter selects it."""
        if _outputs.selects(self._name, message):
            self._write("DEBUG", message, fields)

    def info(self, message: str, /, **fields: Any) -> None:
        """Say what happened."""
        self._write("INFO", message, fields)

    def info_each(self, message: str, every: Iterable[Mapping[str, Any]], /) -> None:
        """Say the same of several, in one step: `info` for each of the mappings."""
        frame = sys._getframe(1)  # noqa: SLF001 - see `_write`
        caller, func = _caller(frame.f_code, frame.f_lineno), frame.f_code.co_qualname
        now = time.time_ns()
        _outputs.write(*(Entry(now, "INFO", message, caller, func, self._names, fields) for fields in every))

    def warning(self, message: str, /, **fields: Any) -> None:
        """Say what an operator should look at."""
        self._write("WARN", message, fields)

    def error(self, message: str, /, **fields: Any) -> None:
        """Say what failed."""
        self._write("ERROR", message, fields)

    def exception(self, message: str, /, **fields: Any) -> None:
        """Say what failed, with the exception that is being handled."""
        self._write("ERROR", message, fields | _failure(sys.exception()))

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        frame = sys._getframe(2)  # noqa: SLF001 - the documented way to the caller, and the one that costs nothing
        code = frame.f_code
        caller = _caller(code, frame.f_lineno)
        _outputs.write(Entry(time.time_ns(), level, message, caller, code.co_qualname, self._names, fields))


_Form = Callable[[Entry], bytes]
"""How an entry is written down."""


_followers: list[Callable[[Entry], None]] = []


class _Outputs:
    """The outputs in use."""

    def __init__(
        self,
        forms: Sequence[tuple[str, _Form]],
        debug: Sequence[Pattern[str]] = (),
        lost_before: int = 0,
    ) -> None:
        self._lost_before = lost_before
        self._debug = tuple(debug)
        self.all: list[Output] = []
        # Forms that share a destination share its thread, else their lines could mix.
        by_path: dict[str, list[_Form]] = {}
        for path, form in forms:
            if path:
                by_path.setdefault(path, []).append(form)
        try:
            for path, wanted in by_path.items():
                self.all.append(_output(path, wanted, self._tell_others))
        except OSError:
            self.close()
            raise

    def selects(self, logger_name: str, message: str) -> bool:
        """Whether a debug entry is wanted."""
        return any(pattern.search(f"{logger_name}: {message}") for pattern in self._debug)

    def write(self, *entries: Entry) -> None:
        for output in self.all:
            output.put(*entries)
        for tell in _followers:
            for entry in entries:
                tell(entry)

    @property
    def lost(self) -> int:
        return self._lost_before + sum(output.lost for output in self.all)

    def close(self) -> None:
        for output in self.all:
            output.close()

    def _tell_others(self, losing: Output, reason: str) -> None:
        entry = losses("log entries are being lost", losing, lost=losing.lost, reason=reason)
        for output in self.all:
            if output is not losing:
                output.put(entry)


def _output(path: str, forms: Sequence[_Form], on_loss: Callable[[Output, str], None]) -> Output:
    destination = Destination(path)
    in_colour: dict[_Form, _Form] = {Entry.as_human: partial(Entry.as_human, colour=True)}
    wanted = [in_colour.get(form, form) for form in forms] if destination.is_terminal else forms

    def encode(entry: Entry) -> bytes:
        return b"".join(form(entry) for form in wanted)

    return Output(destination, encode, on_loss)


_outputs = _Outputs([("/dev/stderr", Entry.as_human)])
"""Until `configure` is called, what matters goes to standard error."""


def configure(*, human: str, json: str, stackdriver: str = "", debug: Sequence[Pattern[str]] = ()) -> None:
    """Send all log entries, those of libraries included, to the destinations named; empty is off.

    Debug entries are written when a pattern of `debug` is found in `logger.name: message`.

    Raises:
        OSError: when a destination cannot be opened; its `filename` is the path. What was set before stays.
    """
    global _outputs
    forms = ((human, Entry.as_human), (json, Entry.as_json), (stackdriver, Entry.as_stackdriver))
    before, _outputs = _outputs, _Outputs(forms, debug, _outputs.lost)
    before.close()
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _TELL_NO_NEWS:
        logging.getLogger(name).setLevel(logging.NOTSET if debug else logging.WARNING)
    logging.captureWarnings(capture=True)


def get_logger(name: str) -> Logger:
    """Return a logger whose entries carry `name`, which may have parts with dots: `gateway.upstream`."""
    return Logger(name)


def follow(tell: Callable[[Entry], None]) -> None:
    """Hand every entry that is written to somebody else as well, who must be quick and must not raise."""
    _followers.append(tell)


def unfollow(tell: Callable[[Entry], None]) -> None:
    """Hand over no more."""
    _followers.remove(tell)


def reopen() -> None:
    """Open the log files again by their names, after logrotate or the like has moved them away.

    A file that cannot be opened is told as an error in the log, and the old one is used on.
    """
    for output in _outputs.all:
        try:
            output.destination.reopen()
        except OSError as error:
            get_logger("telemetry").error(
                "a log file cannot be opened again; the old one is used on",
                destination=output.destination.path,
                error=str(error.strerror or error),
            )


def lost() -> int:
    """How many entries could not be written since the program started, of all destinations together."""
    return _outputs.lost


def congested() -> bool:
    """Whether so many entries wait for a destination that it may soon lose some."""
    for output in _outputs.all:  # noqa: SIM110 - asked for each handful of entries; a generator costs more than the answer
        if output.congested:
            return True
    return False


def is_written() -> Callable[[], bool]:
    """Return a question: whether everything that was logged before this call is written, or lost, by now."""
    marks = [(output, output.accepted) for output in _outputs.all]
    return lambda: all(output.done >= accepted for output, accepted in marks)


def flush(within_seconds: float = _EXIT_SECONDS) -> None:
    """Wait until everything that was logged is written, all in all no longer than the time given."""
    end = time.monotonic() + within_seconds
    for output in _outputs.all:
        output.flush(max(0.0, end - time.monotonic()))


@atexit.register
def _flush_at_exit() -> None:
    """The last chance to say what is missing, if standard error takes it at once."""
    flush()
    for output in _outputs.all:
        if output.missing:
            _say_now(f"aigateway: {output.missing} log entries could not be written to {output.destination.path}\n")


def _say_now(text: str) -> None:
    poll = select.poll()
    poll.register(2, select.POLLOUT)
    if any(event == select.POLLOUT for _, event in poll.poll(0)):
        with contextlib.suppress(OSError):
            os.write(2, text.encode())


@lru_cache(maxsize=512)
def _caller(code: CodeType, line: int) -> str:
    return f"{_short(code.co_filename)}:{line}"


def _short(path: str) -> str:
    """The last two parts of a file's path: the module and its folder."""
    return "/".join(path.split("/")[-2:])


def _failure(error: BaseException | None) -> dict[str, str]:
    """The fields that tell of an exception: `error` in one line, `stack` in full."""
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
        _outputs.write(
            Entry(
                time_ns=int(record.created * 1_000_000) * 1_000,
                level=_LEVELS.get(record.levelname, record.levelname),
                message=message,
                caller=f"{_short(record.pathname)}:{record.lineno}",
                func=record.funcName or "",
                logger_names=tuple(record.name.split(".")),
                fields=_failure(record.exc_info[1]) if record.exc_info else {},
            )
        )
