"""What is shown to a server: the organisation's credential, or the token of a person's account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aigateway.settings.tools import ToolServerSettings
from aigateway.tools.failures import NotLinked


class Tokens(Protocol):
    """Keeps the tokens of people's accounts."""

    async def current(self, user_id: str, server: ToolServerSettings, *, not_this: str = "") -> str:
        """A token that the server should take; never `not_this` one, which it has refused.

        Raises:
            NotLinked: there is none; the sentence says what to do.
        """


class NoTokens:
    """Where accounts cannot be linked."""

    async def current(self, user_id: str, server: ToolServerSettings, *, not_this: str = "") -> str:
        """There are none."""
        del user_id, not_this
        raise NotLinked(f"accounts at {server.name} cannot be linked on this server")


class Credentials:
    """Makes the headers that one person's requests to a server carry."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def headers(
        self, user_id: str, server: ToolServerSettings, *, refused: Mapping[str, str] | None = None
    ) -> Mapping[str, str]:
        """The headers; others than `refused`, where the server has refused those.

        Raises:
            NotLinked: the person has no account there that can be used.
        """
        if server.account is None:
            return {name: value.reveal() for name, value in server.headers}
        not_this = refused["Authorization"].removeprefix("Bearer ") if refused else ""
        token = await self._tokens.current(user_id, server, not_this=not_this)
        return {"Authorization": f"Bearer {token}"}
