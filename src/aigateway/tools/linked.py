"""People's accounts at the services behind MCP servers: linked, used, renewed and unlinked.

Tokens are sealed in the database. The one that is in use is in memory as well, so that people keep working while the
database is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from aigateway.accounts.actor import Actor
from aigateway.accounts.errors import Missing, Refused
from aigateway.settings.tools import ToolServerSettings
from aigateway.store import external_auth
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.store.envelope import KeyMissing, Keyring, SealBroken
from aigateway.store.external_auth import Link
from aigateway.telemetry.logging import get_logger
from aigateway.tools import consent
from aigateway.tools.consent import Question
from aigateway.tools.failures import NotLinked, ServerFailed
from aigateway.tools.grants import Grant, Granted, GrantFailed, Grants

_log = get_logger("tools")

_EARLY = timedelta(seconds=60)
"""A token that ends so soon is renewed before it is used."""
_OTHERS_SECONDS = 0.2
_OTHERS_TRIES = 5
"""How long another replica, which was quicker with a refresh token, is given to write down what it got."""
_NO_KEY = (
    "Accounts cannot be linked on this server, because it has no key to encrypt their tokens with. Its operator sets "
    "CODER_EXTERNAL_TOKEN_ENCRYPTION_KEYS (--external-token-encryption-keys)."
)

Changed = Callable[[str, str], Awaitable[None]]
"""Is told of a person and a server whose account is another one now."""


@dataclass(frozen=True, slots=True)
class Account:
    """A linked account, as it may be shown."""

    server: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    has_refresh_token: bool
    problem: str
    """Why it cannot be used now, in a sentence; empty while it can."""


class LinkedAccounts:
    """See above. It keeps tokens for `Credentials`."""

    def __init__(
        self,
        servers: Iterable[ToolServerSettings],
        store: Store,
        keys: Keyring | None,
        grants: Grants,
        clock: Callable[[], datetime],
    ) -> None:
        self._servers = {server.name: server for server in servers if server.account}
        self._store = store
        self._keys = keys
        self._grants = grants
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[Grant, datetime | None]] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self.changed: Changed = _nobody

    async def current(self, user_id: str, server: ToolServerSettings, *, not_this: str = "") -> str:
        """A token that the service should take. See `credentials.Tokens`.

        Raises:
            NotLinked: there is none.
            ServerFailed: it cannot be had now.
        """
        key = (user_id, server.name)
        async with self._turns.setdefault(key, asyncio.Lock()):
            try:
                link = await self._store.read(external_auth.find, user_id, server.name)
            except StoreUnavailable:
                return self._remembered(key, not_this)
            if link is None:
                self._known.pop(key, None)
                raise NotLinked(f"no account is linked at {server.name}; link one on the page Tools")
            if link.failure:
                raise NotLinked(link.failure)
            grant = self._opened(link)
            if grant.access_token == not_this or self._ends(link.expires_at):
                grant, link = await self._renewed(server, link, grant)
            self._known[key] = (grant, link.expires_at)
            return grant.access_token

    def begin(self, actor: Actor, session_token: str, name: str, redirect_uri: str) -> Question:
        """Where to send a person who wants to link an account.

        Raises:
            Missing: no such server has accounts.
            Refused: this server cannot keep them.
        """
        return consent.ask(self._needed(), actor, session_token, self._find(name), redirect_uri, self._clock())

    async def finish(
        self, actor: Actor, session_token: str, name: str, *, cookie: str, state: str, code: str, error: str
    ) -> None:
        """Link the account of a person who came back.

        Raises:
            Missing, Refused: nothing was linked; the sentence says why.
        """
        server, keys, now = self._find(name), self._needed(), self._clock()
        asked = consent.answered(keys, actor, session_token, server, cookie=cookie, state=state, now=now)
        if error or not code or server.account is None:
            word = error if error.isascii() and error.isidentifier() else "no code"
            raise Refused(f"{name} did not grant access ({word}). Nothing was linked.")
        try:
            granted = await self._grants.redeem(
                server.account, code, verifier=asked.verifier, redirect_uri=asked.redirect_uri
            )
        except GrantFailed as failure:
            _log.warning("an account could not be linked", server=name, user=actor.user_id, error=str(failure))
            raise Refused(f"The account was not linked: {failure}. Try again, or tell the server's operator.") from None
        place = external_auth.place(actor.user_id, name)
        link = Link(
            user_id=actor.user_id,
            provider_id=name,
            tokens=keys.seal(msgspec.json.encode(granted.grant), place),
            expires_at=granted.expires_at,
            failure="",
            created_at=now,
            updated_at=now,
        )
        await self._store.write(external_auth.put, link)
        await self._tell(actor.user_id, name, "an account was linked")

    async def unlink(self, actor: Actor, name: str) -> None:
        """Forget a person's account.

        Raises:
            Missing: there is none.
        """
        if not await self._store.write(external_auth.remove, actor.user_id, name):
            raise Missing(f"You have no account linked at {name}.")
        await self._tell(actor.user_id, name, "an account was unlinked")

    async def of(self, user_id: str) -> dict[str, Account]:
        """A person's accounts, by the server's name; those at servers that are there no more are left out."""
        links = await self._store.read(external_auth.of_user, user_id)
        return {link.provider_id: self._shown(link) for link in links if link.provider_id in self._servers}

    @property
    def names(self) -> tuple[str, ...]:
        """The servers at which people have accounts."""
        return tuple(self._servers)

    def kind(self, name: str) -> str:
        """The word for a server's service: `github`."""
        account = self._find(name).account
        return account.type if account else ""

    def _shown(self, link: Link) -> Account:
        problem, refresh = link.failure, False
        try:
            refresh = bool(self._opened(link).refresh_token)
        except ServerFailed as failure:
            problem = problem or str(failure)
        if not problem and not refresh and self._ends(link.expires_at):
            problem = _ended(link.provider_id)
        return Account(link.provider_id, link.created_at, link.updated_at, link.expires_at, refresh, problem)

    async def _renewed(self, server: ToolServerSettings, link: Link, grant: Grant) -> tuple[Grant, Link]:
        if not grant.refresh_token or server.account is None:
            await self._give_up(link, _ended(server.name))
        try:
            granted = await self._grants.refresh(server.account, grant.refresh_token)  # type: ignore[arg-type]
        except GrantFailed as failure:
            if not failure.for_good:
                raise ServerFailed(f"the account's token cannot be renewed now: {failure}") from None
            if other := await self._of_another_replica(link):
                return self._opened(other), other
            return await self._give_up(
                link, f"{server.name} does not renew the account's token any more; link it again"
            )
        return granted.grant, await self._written(link, granted)

    async def _written(self, link: Link, granted: Granted) -> Link:
        tokens = self._needed().seal(msgspec.json.encode(granted.grant), link.place)
        new = replace(link, tokens=tokens, expires_at=granted.expires_at, updated_at=self._clock())
        if not await self._store.write(external_auth.replace, link, new):
            raise NotLinked(f"the account at {link.provider_id} was changed meanwhile; try again")
        return new

    async def _of_another_replica(self, link: Link) -> Link | None:
        """What another one got for the same refresh token, which counts only once."""
        for _ in range(_OTHERS_TRIES):
            now = await self._store.read(external_auth.find, link.user_id, link.provider_id)
            if now is None or now.tokens.data != link.tokens.data:
                return now
            await asyncio.sleep(_OTHERS_SECONDS)
        return None

    async def _give_up(self, link: Link, reason: str) -> tuple[Grant, Link]:
        await self._store.write(external_auth.replace, link, replace(link, failure=reason, updated_at=self._clock()))
        _log.warning("an account cannot be used any more", server=link.provider_id, user=link.user_id, reason=reason)
        raise NotLinked(reason)

    def _remembered(self, key: tuple[str, str], not_this: str) -> str:
        grant, expires_at = self._known.get(key, (None, None))
        if grant is None or grant.access_token == not_this or self._ends(expires_at):
            raise ServerFailed("the account's token cannot be read, because the database is away")
        return grant.access_token

    def _opened(self, link: Link) -> Grant:
        try:
            return msgspec.json.decode(self._needed().unseal(link.tokens, link.place), type=Grant)
        except (KeyMissing, SealBroken, Refused, msgspec.DecodeError) as error:
            _log.error("an account's tokens cannot be decrypted", server=link.provider_id, error=str(error))
            raise ServerFailed("the account's token cannot be decrypted; link it again") from None

    def _ends(self, expires_at: datetime | None) -> bool:
        return expires_at is not None and expires_at - _EARLY <= self._clock()

    def _needed(self) -> Keyring:
        if self._keys is None:
            raise Refused(_NO_KEY)
        return self._keys

    def _find(self, name: str) -> ToolServerSettings:
        server = self._servers.get(name)
        if server is None:
            raise Missing(f"There is no MCP server {name} at which people have accounts.")
        return server

    async def _tell(self, user_id: str, name: str, what: str) -> None:
        self._known.pop((user_id, name), None)
        _log.info(what, server=name, user=user_id)
        await self.changed(user_id, name)


def _ended(name: str) -> str:
    return f"the account's token at {name} has ended; link it again"


async def _nobody(_user_id: str, _name: str) -> None:
    """Nobody is told."""
