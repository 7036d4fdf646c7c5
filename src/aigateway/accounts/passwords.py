"""Passwords: argon2id hashes, made and compared in threads of their own, two at a time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from aigateway.accounts.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 8, 128

# A hash takes 64 MiB and tens of milliseconds: a flood of sign-ins must not take the memory or stop the event loop.
_WORKERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")

NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=4$Ln2ujcxRhG7YD2EoXMHADw$QpqxHXljHT1QUDQZMEytfgaBVg4WvSU6/CxvEZMIRXg"
"""Compared when there is no such user, so that an answer takes as long as for one who exists."""


def check_strength(password: str) -> None:
    """Refuse what is no password.

    Raises:
        Invalid: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid("password", f"A password has {SHORTEST} to {LONGEST} characters.")


async def hash_password(password: str) -> str:
    """The hash to store, with its salt and parameters."""
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, _hash, password)


async def is_password(password: str, hashed: str) -> bool:
    """Whether it is the password of a hash. Takes as long when there is no hash (an empty one); then it is not."""
    if len(password) > LONGEST:
        return False
    return await asyncio.get_running_loop().run_in_executor(_WORKERS, _verify, password, hashed)


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 - a start does not wait for it

    return PasswordHasher()


def _hash(password: str) -> str:
    return _hasher().hash(password)


def _verify(password: str, hashed: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - see above

    try:
        _hasher().verify(hashed or NOBODYS_HASH, password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(hashed)
