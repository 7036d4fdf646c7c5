"""The person or program behind a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated identity. There is no empty one.

    Raises:
        ValueError: a field that names somebody is empty.
    """

    user_id: str
    username: str
    email: str | None
    """None for service accounts, which have no e-mail address."""
    api_key_id: str
    roles: frozenset[str]

    def __post_init__(self) -> None:
        if not (self.user_id and self.username and self.api_key_id) or self.email == "":
            raise ValueError("An actor has a user id, a username, a key id and, unless it is a service, an address.")
