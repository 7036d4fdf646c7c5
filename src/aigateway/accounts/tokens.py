"""Tokens: `<id>-<secret>`, 10 and 22 letters and digits (control-plane spec 9.1). Only a hash of the secret is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass

_ALPHABET = string.ascii_letters + string.digits
_SHAPE = re.compile(r"([A-Za-z0-9]{10})-([A-Za-z0-9]{22})")


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token. `text` is shown to its owner once; `key_id` and `hashed_secret` are stored."""

    text: str
    key_id: str
    hashed_secret: bytes


def mint() -> MintedToken:
    """Make a token from 131 random bits of secret."""
    key_id, secret = _random(10), _random(22)
    return MintedToken(text=f"{key_id}-{secret}", key_id=key_id, hashed_secret=hash_secret(secret))


def parse(text: str) -> tuple[str, str] | None:
    """The key's id and the secret of a token; None for any other text."""
    match = _SHAPE.fullmatch(text)
    return None if match is None else (match[1], match[2])


def shown(text: str) -> tuple[str, bytes] | None:
    """The key's id and the hash of the secret of a token; None for any other text."""
    parts = parse(text)
    return None if parts is None else (parts[0], hash_secret(parts[1]))


def hash_secret(secret: str) -> bytes:
    """SHA-256 of a secret. It is random, so nothing slower is needed."""
    return hashlib.sha256(secret.encode()).digest()


def is_same(shown: bytes, hashed_secret: bytes) -> bool:
    """Whether the hash of a secret that was shown is the one that is kept, in a time that does not tell how nearly."""
    return hmac.compare_digest(shown, hashed_secret)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
