"""One log entry, and its written forms (control-plane spec 5). Nothing in a value can forge another entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_HUMAN_LEVELS = {"WARN": "warn", "CRITICAL": "crit"}
_SEVERITIES = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_COLOURS = {"DEBUG": "\x1b[90m", "INFO": "\x1b[34m", "WARN": "\x1b[33m"}
_IN_JSON = (dict, bool, int, float, list, tuple, Mapping)
_encode = msgspec.json.Encoder(enc_hook=str).encode
_BILLION = 1_000_000_000
_RED, _RESET = "\x1b[31m", "\x1b[0m"


class Entry(msgspec.Struct, frozen=True):
    """What happened, when and where."""

    time_ns: int
    """Since the epoch."""
    level: str
    """`DEBUG`, `INFO`, `WARN`, `ERROR`, `CRITICAL` or `FATAL`."""
    message: str
    caller: str
    """`file:line`."""
    func: str
    logger_names: tuple[str, ...]
    fields: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def as_json(self) -> bytes:
        """Return one line, a JSON object with `ts`, `level`, `msg`, `caller`, `func`, `logger_names` and `fields`."""
        line = {
            "ts": self._precise_time(),
            "level": self.level,
            "msg": self.message,
            "caller": self.caller,
            "func": self.func,
            "logger_names": self.logger_names,
            "fields": self.fields,
        }
        return _json(line) + b"\n"

    def as_stackdriver(self) -> bytes:
        """Return one line, a JSON object as Google Cloud Logging reads it.

        Source: https://cloud.google.com/logging/docs/structured-logging. Ours stay below `fields`, so that none can
        pass for one of Google's.
        """
        file, _, line = self.caller.partition(":")
        return (
            _json(
                {
                    "severity": _SEVERITIES.get(self.level, self.level),
                    "time": self._precise_time(),
                    "message": self.message,
                    "logging.googleapis.com/sourceLocation": {"file": file, "line": line, "function": self.func},
                    "logger_names": self.logger_names,
                    "fields": self.fields,
                }
            )
            + b"\n"
        )

    def as_human(self, *, colour: bool = False) -> bytes:
        """Return `YYYY-MM-DD HH:MM:SS.mmm [info]  logger.name: message  key=value …`, in UTC.

        Values of several lines follow below, each line behind ` | `, so that none looks like an entry.
        """
        level = f"[{_HUMAN_LEVELS.get(self.level, self.level.lower())}]".ljust(7)
        if colour:
            level = f"{_COLOURS.get(self.level, _RED)}{level}{_RESET}"
        names = ".".join(self.logger_names)
        message = f"{names}: {_plain(self.message)}" if names else _plain(self.message)
        beside, below = [], []
        for key, value in self.fields.items():
            text = value if type(value) is str else _text(value)
            if "\n" in text:
                below.append(f"  {_word(key)}:")
                below += [f"   | {_plain(line)}" for line in text.replace("\r\n", "\n").split("\n")]
            else:
                beside.append(f"{_key(key)}={_word(text)}")
        moment = f"{_second(self.time_ns // _BILLION)}.{self.time_ns // 1_000_000 % 1_000:03d}"
        first = f"{moment} {level} {message}" + (f"  {' '.join(beside)}" if beside else "")
        return "\n".join([first, *below, ""]).encode()

    def _precise_time(self) -> str:
        date, time = _second(self.time_ns // _BILLION).split(" ")
        return f"{date}T{time}.{self.time_ns % _BILLION:09d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """All but the fraction, which is the same for many entries."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.isoformat()
    return _json(value).decode() if isinstance(value, _IN_JSON) else str(value)


def _word(text: str) -> str:
    """`text` as one word of a line: bare when it is one, else in quotes, as JSON writes them."""
    if text and text.isprintable() and " " not in text and '"' not in text and "=" not in text:
        return text
    return f'"{_plain(text.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34)))}"'


@lru_cache(maxsize=256)
def _key(name: str) -> str:
    return _word(name)


def _plain(text: str) -> str:
    """`text` with every character that is not printable (line ends, escapes, direction marks) written as an escape."""
    return text if text.isprintable() else text.translate(_ESCAPES)


class _Escapes(dict[int, str]):
    """What `str.translate` writes for a character. Latin-1 is looked up; to keep all of Unicode would be a lot."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        return sign if sign.isprintable() else json.dumps(sign)[1:-1]


_ESCAPES = _Escapes()
_ESCAPES.update({code: _ESCAPES[code] for code in range(256)})


def _json(value: object) -> bytes:
    try:
        return _encode(value)
    except Exception:  # noqa: BLE001 - lone surrogates, huge integers, odd keys: a log line is written all the same
        return json.dumps(_tame(value), ensure_ascii=True).encode()


def _tame(value: object) -> object:
    """`value` in terms that JSON has, whatever it is."""
    if isinstance(value, Mapping):
        return {_tame_text(str(key)): _tame(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_tame(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return _tame_text(str(value))


def _tame_text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
