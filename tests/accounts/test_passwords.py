from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters

from aigateway.accounts import passwords
from aigateway.accounts.errors import Invalid


async def test_a_password_is_known_by_its_hash_only():
    hashed = await passwords.hash_password("correct horse")
    assert "correct" not in hashed
    assert await passwords.is_password("correct horse", hashed)
    assert not await passwords.is_password("correct horsf", hashed)
    assert not await passwords.is_password("c" * 1000, hashed)
    assert not await passwords.is_password("correct horse", "no hash")


async def test_who_has_no_password_gives_none_away_by_time(monkeypatch):
    """The same work is done for a user who does not exist."""
    seen = []
    real = passwords._hasher().verify

    class Watching:
        def verify(self, hashed, password):
            seen.append(hashed)
            return real(hashed, password)

    monkeypatch.setattr(passwords, "_hasher", Watching)
    assert not await passwords.is_password("anything", "")
    assert seen == [passwords.NOBODYS_HASH]
    assert extract_parameters(passwords.NOBODYS_HASH) == extract_parameters(PasswordHasher().hash("x"))


@pytest.mark.parametrize("password", ["", "short", "x" * 129])
def test_what_is_no_password_is_refused(password):
    with pytest.raises(Invalid, match="8 to 128"):
        passwords.check_strength(password)
