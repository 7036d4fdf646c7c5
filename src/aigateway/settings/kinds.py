"""The kinds of values that an option can take. Each reads the text that the operator wrote, whatever the source."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec

from aigateway.settings.durations import parse_duration
from aigateway.settings.errors import SensitiveValueError
from aigateway.settings.header_names import read_header_name
from aigateway.settings.model import Address
from aigateway.settings.secret import Secret
from aigateway.settings.sizes import parse_size


class Kind(msgspec.Struct, frozen=True):
    """How a value is written and read."""

    metavar: str
    """What stands for the value in the help and in the documentation."""
    parse: Callable[[str], object]
    """Text in, value out; raises ValueError with what is wrong and what to do."""
    is_switch: bool = False
    """The flag may stand alone, which means true."""
    is_list: bool = False
    """May be given several times; the value is the tuple of what `parse` returns for each."""
    is_secret: bool = False
    """Never shown, and refused in a YAML file."""


MOST_WORKERS = 256
_KEY_BYTES = 32
_TRUE = frozenset({"true", "1", "t", "yes", "on"})
_FALSE = frozenset({"false", "0", "f", "no", "off"})


def parse_switch(text: str) -> bool:
    """Read true or false, in one of the ways in which operators write them.

    Raises:
        ValueError: with what to do, when `text` is neither.
    """
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("neither true nor false; write true or false")
    return word in _TRUE


def _limit(text: str) -> int | None:
    written = text.strip()
    if not re.fullmatch(r"\d{1,9}", written, re.ASCII):
        raise ValueError("not a whole number from 0 to 999999999; write one, 0 for no limit")
    return int(written) or None


def _count(text: str) -> int:
    count = _limit(text)
    if count is None:
        raise ValueError("must be more than 0; write for example 5")
    return count


def _workers(text: str) -> int:
    workers = _count(text)
    if workers > MOST_WORKERS:
        raise ValueError(f"more than {MOST_WORKERS} processes; write how many cores they may use")
    return workers


def _size(text: str) -> int:
    size = parse_size(text)
    if not size:
        raise ValueError("must be more than nothing; write for example 64MiB")
    return size


def _lifetime(text: str) -> timedelta:
    duration = parse_duration(text)
    if not duration:
        raise ValueError("must be longer than 0; write for example 24h")
    return duration


def _timeout(text: str) -> timedelta | None:
    return parse_duration(text) or None


def _address(text: str) -> Address:
    host, colon, port = text.strip().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host == f"[{bare}]"
    valid_port = re.fullmatch(r"\d{1,5}", port, re.ASCII) and int(port) <= 65535
    if not colon or not valid_port or (":" in bare) != bracketed or not re.fullmatch(r"[\w.:%-]*", bare, re.ASCII):
        raise ValueError("not an address to listen on; write host:port, for example 127.0.0.1:3000 or [::1]:3000")
    return Address(bare, int(port))


def parse_url(text: str) -> str:
    """Read an absolute http or https URL without credentials, query or fragment, and return it as written.

    Raises:
        ValueError: with what to do; a SensitiveValueError when the text may hold a password.
    """
    url = text.strip()
    refusal = SensitiveValueError if "@" in url else ValueError
    if not url.isascii() or not url.isprintable() or " " in url:
        raise refusal("has characters that a URL cannot have; write them percent-encoded")
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal("not an absolute URL; write it with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise refusal("a URL must not carry credentials; remove the part before the @ and set the key by its option")
    if "?" in url or "#" in url:
        raise refusal("must have no query and no fragment; remove what follows the ? or #")
    return url


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return None
    return parts


def _site(text: str) -> str | None:
    return parse_url(text).rstrip("/") if text.strip() else None


def parse_secret(text: str) -> Secret | None:
    """Read a credential, without the blanks around it; an empty one is none.

    Raises:
        ValueError: with what to do, when it has characters that no header can carry.
    """
    value = text.strip()
    if not value.isascii() or not value.isprintable():
        raise ValueError("has characters that a credential cannot have, perhaps a line break; copy it again")
    return Secret(value) if value else None


def _database(text: str) -> Secret | None:
    """A URL that PostgreSQL's client library reads when it connects; only what is surely none is refused here."""
    secret = parse_secret(text)
    if secret is not None and not secret.reveal().startswith(("postgres://", "postgresql://")):
        raise ValueError("not the URL of a PostgreSQL database; write postgresql://user:password@host:5432/database")
    return secret


def parse_encryption_key(text: str) -> Secret:
    """Read a key for AES-256 in base64.

    Raises:
        ValueError: with what to do, when it is none.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("not 32 bytes in base64; make one with: openssl rand -base64 32")
    return Secret(text.strip())


def _pattern(text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[` means the same for as long as this Python runs
            return re.compile(text)
    except re.error as error:
        raise ValueError(
            f"not a regular expression ({error}); write one, for example .* for every debug line"
        ) from None


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise ValueError("not a path; write one, for example /var/lib/aigateway")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("the home folder is not known; write an absolute path") from None


def _path_or_none(text: str) -> Path | None:
    return _path(text) if text.strip() else None


def _url_or_none(text: str) -> str | None:
    return parse_url(text) if text.strip() else None


def _word_or_none(text: str) -> str | None:
    return text.strip() or None


def choice(of: type[StrEnum]) -> Kind:
    """One of a few words."""
    words = [str(member) for member in of]

    def parse(text: str) -> StrEnum:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(f"not one of the words that it can be; write {' or '.join(words)}")
        return of(word)

    return Kind("|".join(words), parse)


def actor_header(default: str) -> Kind:
    """A header that tells a provider one attribute of the account; `default` is the attribute's own name."""
    return Kind("header", lambda text: read_header_name(text, default))


SWITCH = Kind("true|false", parse_switch, is_switch=True)
LIMIT = Kind("number", _limit)
COUNT = Kind("number", _count)
WORKERS = Kind("number", _workers)
SIZE = Kind("size", _size)
LIFETIME = Kind("duration", _lifetime)
TIMEOUT = Kind("duration", _timeout)
PERIOD = Kind("duration", parse_duration)
ADDRESS = Kind("host:port", _address)
URL = Kind("url", parse_url)
SITE = Kind("url", _site)
SECRET = Kind("secret", parse_secret, is_secret=True)
DATABASE = Kind("database", _database, is_secret=True)
ENCRYPTION_KEYS = Kind("keys", parse_encryption_key, is_list=True, is_secret=True)
PATTERNS = Kind("regex", _pattern, is_list=True)
FOLDER = Kind("folder", _path)
FOLDER_OR_NONE = Kind("folder", _path_or_none)
FILE_OR_NONE = Kind("file", _path_or_none)
FILE = Kind("file", str.strip)
URL_OR_NONE = Kind("url", _url_or_none)
WORD_OR_NONE = Kind("text", _word_or_none)
