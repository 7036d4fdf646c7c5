"""Who calls AWS: keys that the operator gave, or whatever AWS's default credential chain finds, as a role or as it is.

botocore does the finding (environment, shared files, SSO, web identity, container and instance roles) and the renewing,
both blocking, so both happen in a thread; requests use what was found last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from aigateway.providers.signer import Unsigned
from aigateway.settings.bedrock import AccessKey, BedrockSettings
from aigateway.settings.secret import mask
from aigateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials

_log = get_logger("bedrock")

_LOOK_AGAIN_SECONDS = 60
"""After this, somebody looks in the background whether the credentials must be renewed."""
_TRUSTED_SECONDS = 4 * 60
"""After this, a request waits for that look, which takes no time while they are good for longer. botocore renews those
that have a quarter of an hour left, and AWS gives none out for less than five minutes."""
_TRY_AGAIN_SECONDS = 2
"""After a failure."""
_STS_SECONDS = 5
"""For each try; a server that is told to stop waits for the thread."""
_SESSION_NAME = "ai-gateway"


class Identity:
    """Credentials that are found once and renewed in time."""

    def __init__(self, find: Callable[[], Credentials], *, hint: str = "") -> None:
        """Take a blocking function that finds them or raises; and what is known of them before."""
        self._find = find
        self._found: Credentials | None = None
        self._frozen: ReadOnlyCredentials | None = None
        self._looked = 0.0
        self._failed: tuple[float, Unsigned] | None = None
        self._look: asyncio.Task[ReadOnlyCredentials] | None = None
        self._hint = hint

    @property
    def hint(self) -> str:
        """The masked id of the access key; empty while it is not known."""
        return mask(self._frozen.access_key or "") if self._frozen is not None else self._hint

    async def credentials(self) -> ReadOnlyCredentials:
        """Credentials that are good now.

        Raises:
            Unsigned: there are none.

        """
        age = time.monotonic() - self._looked
        if self._frozen is None or age > _TRUSTED_SECONDS:
            return await asyncio.shield(self._looking())
        if age > _LOOK_AGAIN_SECONDS:
            self._looking()
        return self._frozen

    def _looking(self) -> asyncio.Task[ReadOnlyCredentials]:
        """The one look that is under way."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._renew())
            self._look.add_done_callback(_log_failure)
        return self._look

    async def _renew(self) -> ReadOnlyCredentials:
        if self._failed is not None and time.monotonic() - self._failed[0] < _TRY_AGAIN_SECONDS:
            raise self._failed[1]
        try:
            self._frozen = await asyncio.to_thread(self._freeze)
        except Exception as error:
            unsigned = Unsigned(f"there are no AWS credentials for Amazon Bedrock: {_words(error)}")
            self._failed = (time.monotonic(), unsigned)
            raise unsigned from error
        self._looked = time.monotonic()
        self._failed = None
        return self._frozen

    def _freeze(self) -> ReadOnlyCredentials:
        if self._found is None:
            self._found = self._find()
        return self._found.get_frozen_credentials()


def identities(settings: BedrockSettings) -> tuple[Identity, ...]:
    """One for each pair of keys, or the one of the default credential chain; each in the role, if there is one."""
    if not settings.access_keys:
        return (Identity(partial(_find, settings, None)),)
    as_role = settings.role_arn is not None
    return tuple(
        Identity(partial(_find, settings, key), hint="" if as_role else key.id.hint) for key in settings.access_keys
    )


def _find(settings: BedrockSettings, key: AccessKey | None) -> Credentials:
    # botocore is large, and only a provider on Bedrock needs it.
    from botocore.config import Config  # noqa: PLC0415
    from botocore.credentials import (  # noqa: PLC0415
        AssumeRoleCredentialFetcher,
        Credentials,
        DeferredRefreshableCredentials,
    )
    from botocore.session import Session  # noqa: PLC0415

    session = Session()
    found = Credentials(key.id.reveal(), key.secret.reveal()) if key else session.get_credentials()
    if found is None:
        raise LookupError(
            "AWS's default credential chain found none. Give the machine a role, or set BEDROCK_ACCESS_KEY and "
            "BEDROCK_ACCESS_KEY_SECRET."
        )
    if settings.role_arn is None:
        return found
    shown = {"RoleSessionName": _SESSION_NAME}
    if settings.external_id is not None:
        shown["ExternalId"] = settings.external_id
    patience = Config(connect_timeout=_STS_SECONDS, read_timeout=_STS_SECONDS, retries={"total_max_attempts": 3})
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(session.create_client, region_name=settings.region, config=patience),
        source_credentials=found,
        role_arn=settings.role_arn,
        extra_args=shown,
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def _words(error: Exception) -> str:
    """What botocore says, in one line. It names places and reasons, never keys."""
    return " ".join(str(error).split()) or type(error).__name__


def _log_failure(look: asyncio.Task[ReadOnlyCredentials]) -> None:
    if not look.cancelled() and (error := look.exception()) is not None:
        _log.warning("AWS credentials cannot be found or renewed", error=str(error))
