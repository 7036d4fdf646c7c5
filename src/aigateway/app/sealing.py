"""The keys for secrets in the database: the operator's, else one of the data directory's own."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from aigateway.settings.secret import Secret
from aigateway.store import sealed
from aigateway.store.engine import Store
from aigateway.store.envelope import KEY_BYTES, KeyMissing, Keyring

OPTION = "--external-token-encryption-keys (CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS)"
_FILE = "encryption.key"


class KeyUnusable(Exception):
    """A key is missing or cannot be read. The sentence names the option or the file."""


def keyring(keys: Sequence[Secret], data_dir: Path, *, may_make: bool) -> Keyring | None:
    """The keys to work with; None where there are none, and none may be made up.

    An embedded database has no other server that would need the key, so one may be made beside it when none is set. It
    goes on opening what it has sealed when the operator sets keys later. Servers that share a database must share their
    keys, which only the operator can see to.

    Raises:
        KeyUnusable: the file of the key cannot be read, made or understood.
    """
    path = data_dir / _FILE
    found = [base64.b64decode(key.reveal()) for key in keys]
    if may_make and not found and not path.exists():
        _make(path)
    if path.exists():
        found.append(_read(path))
    return Keyring(found) if found else None


async def check(store: Store, keys: Keyring | None) -> None:
    """Make sure that everything sealed in the database can be opened.

    Raises:
        KeyUnusable: it cannot.
        StoreUnavailable: the database is away.
    """
    used = await store.read(sealed.key_ids)
    missing = sorted(used - (keys.ids if keys else frozenset()))
    if missing:
        raise KeyUnusable(
            f"{OPTION}: {KeyMissing(*missing)}. Add that key to the list, "
            "or remove what it encrypted with `aigateway server dbcrypt delete`."
        )


def _make(path: Path) -> None:
    """Write a new key, for this user alone, whole or not at all; one that another process made first stays."""
    beside = path.with_name(f"{_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(beside)
        finally:
            beside.unlink()
    except OSError as error:
        raise KeyUnusable(f"--data-dir (CODER_AI_GATEWAY_DATA_DIR): cannot write {path}: {error.strerror}.") from error


def _read(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except OSError as error:
        raise KeyUnusable(f"The encryption key {path} cannot be read: {error.strerror}.") from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyUnusable(
            f"The encryption key {path} is damaged: it should hold 32 bytes in base64. Restore it from a copy; "
            "without it, remove what it encrypted with `aigateway server dbcrypt delete`, and then the file."
        )
    return key
