"""Secrets in dumps: which headers, which JSON fields, which shapes of text (decision 23).

Everything that looks for secrets in bodies is in `FIELDS` and `SHAPES`. A mask in a body is as long as what it covers,
so that lengths and offsets stay those of the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from aigateway.settings.secret import mask

REQUEST_HEADERS = frozenset(
    {
        "authorization",
        "x-api-key",
        "api-key",
        "x-auth-token",
        "cookie",
        "proxy-authorization",
        "x-amz-security-token",
        "x-goog-api-key",
        "ocp-apim-subscription-key",
    }
)
"""The documented seven, and those of Google and of Azure's API management."""

RESPONSE_HEADERS = frozenset({"set-cookie", "www-authenticate", "proxy-authenticate"})

FIELDS = (
    "api_key",
    "authorization",
    "authorization_token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secret_key",
    "secret_access_key",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "session_token",
    "bearer_token",
    "private_key",
    "cookie",
)
"""JSON fields whose strings are masked: in any case, `_` as `-` or left out, also as an ending (`DB_PASSWORD`)."""

_START = rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{4}))"
"""Not in the middle of a word; the `n` of an escaped line feed is none."""

SHAPES = tuple(
    (marker, re.compile(pattern))
    for marker, pattern in (
        (b"sk-", _START + rb"sk-(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{16,}+"),  # OpenAI, Anthropic and their like
        (b"ghp_", rb"ghp_[A-Za-z0-9]{20,}+"),
        (b"gho_", rb"gho_[A-Za-z0-9]{20,}+"),
        (b"ghu_", rb"ghu_[A-Za-z0-9]{20,}+"),
        (b"ghs_", rb"ghs_[A-Za-z0-9]{20,}+"),
        (b"ghr_", rb"ghr_[A-Za-z0-9]{20,}+"),
        (b"github_pat_", rb"github_pat_[A-Za-z0-9_]{20,}+"),
        (b"glpat-", rb"glpat-[A-Za-z0-9_-]{20,}+"),
        (b"xox", _START + rb"xox[abeoprs]-[A-Za-z0-9-]{10,}+"),  # Slack
        (b"AKIA", rb"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        (b"ASIA", rb"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        (b"AIza", rb"AIza[A-Za-z0-9_-]{35}"),  # Google
        (b"eyJ", rb"eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+"),  # JWT, RFC 7519
        (b"Bearer ", rb"Bearer [A-Za-z0-9._~+/-]{16,}+=*"),
        (b"-----BEGIN ", rb"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"]{0,10000}?-----END [A-Z ]*PRIVATE KEY-----"),
    )
)
"""Text that is a secret wherever it stands: a marker that is quick to find, and the pattern that begins with it."""

_NAMES = b"|".join(name.replace("_", "[_-]?").encode() for name in sorted(FIELDS, key=len, reverse=True))
_NAME = rb"(?:[A-Za-z0-9_-]{0,40}[_-])?(?:" + _NAMES + rb")"
_NAME_ALONE = re.compile(_NAME, re.IGNORECASE)
_LONGEST_NAME = 64
_COLON = re.compile(rb'"(?:\s|\\[nrt])*+:(?:\s|\\[nrt])*+\\?"')
"""Between a field's name and its string. Names are looked at only where this is found, which is what costs time."""
_STRING = re.compile(rb'([^"\\]*+(?:\\.[^"\\]*+)*+)"(?!\s*+,\s*+"logprob")', re.DOTALL)
"""The rest of a JSON string. What has a `logprob` behind it is a model's token, not a secret."""
_STRING_IN_TEXT = re.compile(rb'((?:[^"\\]++|\\\\(?:[^"\\]|\\["\\])|\\[^"\\])*+)\\"')
"""The same in JSON that is itself the text of a JSON string, as the arguments of tools are."""
_PARAMETER = re.compile(_NAME + rb"|key|sig", re.IGNORECASE)
_SECRET_HEADER = re.compile(r"(?:bearer|basic)\s+", re.IGNORECASE)
_SHORTEST_KNOWN = 8
_LONGEST_LINE = 256 * 1024


def mask_header(name: str, value: str, masked: frozenset[str]) -> str:
    """The value as it may be shown: the whole of it masked when the header is one of `masked` (lower-case names)."""
    return mask(value) if name.lower() in masked else value


def mask_parameter(name: str, value: str) -> str:
    """The value of a query parameter as it may be shown; `key` and `sig` are secrets there too."""
    return mask(value) if _PARAMETER.fullmatch(name.encode("latin-1", "replace")) else value


def secrets_of(headers: Iterable[tuple[str, str]]) -> tuple[bytes, ...]:
    """The secrets that request headers carry, to be masked wherever a body repeats them."""
    values = (_SECRET_HEADER.sub("", value) for name, value in headers if name.lower() in REQUEST_HEADERS)
    return tuple(value.encode("latin-1", "replace") for value in values if len(value) >= _SHORTEST_KNOWN)


class Masker:
    """Masks a body that comes in pieces. Gives whole lines, so that a secret that was cut is still seen."""

    def __init__(self, known: Sequence[bytes] = ()) -> None:
        """Take secrets that are known by their value."""
        self._known = known
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; give what is ready, which may be nothing."""
        cut = data.rfind(b"\n") + 1
        self._held += data
        if not cut and len(self._held) < _LONGEST_LINE:
            return b""
        # A line without an end is cut between two fields or words: no secret holds a comma.
        ready = len(self._held) - len(data) + cut if cut else self._held.rfind(b",") + 1 or len(self._held)
        lines = bytes(self._held[:ready])
        del self._held[:ready]
        return self._mask(lines)

    def end(self) -> bytes:
        """Give the rest."""
        rest, self._held = bytes(self._held), bytearray()
        return self._mask(rest)

    def whole(self, body: bytes) -> bytes:
        """Mask a whole body."""
        return self.feed(body) + self.end()

    def _mask(self, text: bytes) -> bytes:
        text = _mask_fields(text)
        for marker, pattern in SHAPES:
            if marker in text:
                text = _mask_shape(text, marker, pattern)
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, _stars(secret))
        return text


def _mask_fields(text: bytes) -> bytes:
    pieces: list[bytes] = []
    done = 0
    for colon in _COLON.finditer(text):
        end = colon.start()
        in_text = text[end - 1 : end] == b"\\"
        end -= in_text
        begin = text.rfind(b'"', max(done, end - _LONGEST_NAME), end) + 1
        if not begin or not _is_secret(text[begin:end]):
            continue
        value = (_STRING_IN_TEXT if in_text else _STRING).match(text, colon.end())
        if value is not None:
            pieces += (text[done : value.start(1)], b"*" * len(value[1]))
            done = value.end(1)
    return b"".join((*pieces, text[done:])) if pieces else text


@lru_cache(maxsize=1024)
def _is_secret(name: bytes) -> bool:
    return _NAME_ALONE.fullmatch(name) is not None


def _mask_shape(text: bytes, marker: bytes, pattern: re.Pattern[bytes]) -> bytes:
    pieces: list[bytes] = []
    done = 0
    at = text.find(marker)
    while at >= 0:
        match = pattern.match(text, at)
        if match is None:
            at = text.find(marker, at + len(marker))
            continue
        pieces += (text[done:at], _stars(match[0]))
        done = match.end()
        at = text.find(marker, done)
    return b"".join((*pieces, text[done:]))


def _stars(secret: bytes) -> bytes:
    """The two ends that `mask` shows, and stars between them."""
    shown = len(mask(secret.decode("latin-1"))) // 2 - 1
    if shown <= 0 or b"\\" in secret:
        return b"*" * len(secret)
    return secret[:shown] + b"*" * (len(secret) - 2 * shown) + secret[-shown:]
