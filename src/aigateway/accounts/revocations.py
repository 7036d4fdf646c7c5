"""Hearing of revocations: what one replica changes counts on all of them at once, and tokens are rarely looked up.

PostgreSQL tells each change of a key or a user (`store.changes`). That it still tells is shown by beats, which this
replica sends through another connection and must hear itself: as long as it does, nothing was missed. When it does
not, because a connection is lost or a pooler in between does not relay, entries age as if nobody told anything.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable

from aigateway.accounts.authenticate import Authenticator
from aigateway.store.changes import BEAT, KEY, USER, send_beat
from aigateway.store.engine import Store, StoreUnavailable
from aigateway.telemetry.logging import get_logger

_BEAT_SECONDS = 0.4
"""Between two beats; two and their way must fit into the second for which an entry is used unheard."""
_QUIET_AFTER = 5.0
"""Seconds without a request after which nothing is sent, since nothing is in use."""
_DEAF_AFTER = 10.0
"""Seconds of beats that were not heard after which the connection is made anew."""
_CONNECT_AGAIN_SECONDS = 2.0

_log = get_logger("accounts")


class Revocations:
    """Runs for as long as the gateway does. On the embedded database there is nothing to hear, and it does nothing.

    Args:
        store: what tells.
        authenticator: forgets what has changed.
        monotonic: the clock of the authenticator.
    """

    def __init__(
        self, store: Store, authenticator: Authenticator, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._monotonic = monotonic
        self._name = secrets.token_hex(8)
        self._sent: dict[str, float] = {}
        self._hears = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in the background."""
        if self._store.changes() is not None:
            self._task = asyncio.create_task(self._listen_forever(), name="revocations")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except StoreUnavailable as error:
                self._tell(str(error))
            except Exception as error:  # noqa: BLE001  # whatever it is, tokens are looked up meanwhile
                self._tell(f"{type(error).__name__}: {error}")
            await asyncio.sleep(_CONNECT_AGAIN_SECONDS)

    def _tell(self, reason: str) -> None:
        if self._hears:
            _log.warning("changes of tokens are not heard; each token in use is looked up every second", error=reason)
        self._hears = False

    async def _listen(self) -> None:
        """Listen until the connection is lost or deaf.

        Raises:
            StoreUnavailable: it is.
        """
        changes = self._store.changes()
        if changes is None:
            return
        async with changes as told:
            since = self._monotonic()
            self._sent.clear()
            hearing = asyncio.create_task(self._hear(told, since))
            try:
                await self._send_beats(until=hearing)
            finally:
                hearing.cancel()
                await asyncio.wait({hearing})
            if not hearing.cancelled():
                hearing.result()

    async def _send_beats(self, until: asyncio.Task[None]) -> None:
        while not until.done():
            began = self._monotonic()
            if self._sent and began - min(self._sent.values()) > _DEAF_AFTER:
                raise StoreUnavailable("messages do not arrive (is there a pooler, such as PgBouncer, in between?)")
            if began - self._authenticator.last_asked_at < _QUIET_AFTER:
                await self._beat()
            await asyncio.wait({until}, timeout=max(0.0, began + _BEAT_SECONDS - self._monotonic()))

    async def _beat(self) -> None:
        text = f"{self._name}{secrets.token_hex(4)}"
        self._sent[text] = self._monotonic()
        try:
            await self._store.ask(send_beat, text)
        except StoreUnavailable:
            self._sent.pop(text, None)

    async def _hear(self, told: AsyncIterator[str], since: float) -> None:
        async for message in told:
            kind, _, what = message.partition(" ")
            if kind == KEY:
                self._authenticator.forget(what)
            elif kind == USER:
                self._authenticator.forget_user(what)
            elif kind == BEAT and what in self._sent:
                self._authenticator.heard(since=since, until=self._sent[what])
                # The beats before this one, if they were not heard, do not matter any more.
                self._sent = {text: at for text, at in self._sent.items() if at > self._sent[what]}
                self._hears = True
