"""The one envelope for secrets that the database keeps: AES-256-GCM, with the id of the key and the row in it.

A key's id is the first seven bytes of its SHA-256, in hexadecimal, as in the documented system.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

KEY_BYTES = 32
_ID_BYTES = 7
_NONCE_BYTES = 12
_FORM = b"\x01"
"""The first byte of what is sealed; another form would have another."""


class SealBroken(Exception):
    """What was sealed was changed, cut, or sealed for another place. Nothing of it is to be believed."""


class KeyMissing(Exception):
    """None of the keys is the one that something was sealed with."""

    def __init__(self, *key_ids: str) -> None:
        super().__init__(f"the database holds secrets that were encrypted with a key that is not here ({key_ids[0]})")
        self.key_ids = key_ids


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the database keeps it."""

    data: bytes = field(repr=False)
    key_id: str


class Keyring:
    """Keys: the first seals, and each opens what it has sealed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take keys of 32 random bytes.

        Raises:
            ValueError: there is none, or one has another length.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - slow, and most need none

        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a keyring takes one key or more, each of {KEY_BYTES} bytes")
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self.sealing = key_id(keys[0])
        """The id of the key that seals."""

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(self._ciphers)

    def seal(self, secret: bytes, place: str) -> Sealed:
        """Encrypt a secret for one place: whoever moves it to another row cannot have it opened there."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self.sealing].encrypt(nonce, secret, _bound_to(place))
        return Sealed(_FORM + nonce + sealed, self.sealing)

    def unseal(self, sealed: Sealed, place: str) -> bytes:
        """The secret that was sealed for this place.

        Raises:
            KeyMissing: its key is not here.
            SealBroken: it was changed, or sealed for another place.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise KeyMissing(sealed.key_id)
        nonce, body = sealed.data[1 : 1 + _NONCE_BYTES], sealed.data[1 + _NONCE_BYTES :]
        if not sealed.data.startswith(_FORM) or len(nonce) < _NONCE_BYTES:
            raise SealBroken("An encrypted secret is not in a form that this version knows.")
        try:
            return cipher.decrypt(nonce, body, _bound_to(place))
        except InvalidTag:
            raise SealBroken("An encrypted secret was changed, or was moved from another row.") from None


def key_id(key: bytes) -> str:
    """What a key is known by; it tells nothing about the key."""
    return hashlib.sha256(key).hexdigest()[: 2 * _ID_BYTES]


def _bound_to(place: str) -> bytes:
    return _FORM + place.encode()
