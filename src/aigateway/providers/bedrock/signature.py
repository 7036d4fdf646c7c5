"""AWS Signature Version 4 over what is really sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from aigateway.providers.bedrock.identity import Identity
from aigateway.providers.upstream import UpstreamRequest, header

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_SIGNED = b"content-type"
"""Beside the host and AWS's own. Whatever else travels may be changed on the way without harm."""
_NEVER_THE_CLIENTS = b"x-amz"


class SigV4Signer:
    """Signs with one identity, for one service in one region."""

    def __init__(self, identity: Identity, service: str, region: str) -> None:
        self._identity = identity
        self._service = service
        self._region = region

    @property
    def hint(self) -> str:
        """The masked id of the access key; empty while it is not known."""
        return self._identity.hint

    async def prepare(self) -> None:
        """Find the credentials. Raises `Unsigned`."""
        await self._identity.credentials()

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request with its signature. Raises `Unsigned`."""
        kept = [(name, value) for name, value in request.headers if not name.startswith(_NEVER_THE_CLIENTS)]
        credentials = await self._identity.credentials()
        return replace(request, headers=[*kept, *self._signature(request, credentials)])

    def _signature(self, request: UpstreamRequest, credentials: ReadOnlyCredentials) -> list[tuple[bytes, bytes]]:
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - large, and only Bedrock needs it
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        content_type = header(request, _SIGNED).decode("latin-1")
        signed = AWSRequest(
            method=request.method,
            url=request.url,
            data=request.body,
            headers={_SIGNED.decode(): content_type} if content_type else {},
        )
        SigV4Auth(credentials, self._service, self._region).add_auth(signed)
        return [
            (name.lower().encode(), value.encode())
            for name, value in signed.headers.items()
            if name.lower().encode() != _SIGNED
        ]


class BearerSigner:
    """An API key of Bedrock's, which AWS's SDKs take from the environment (`AWS_BEARER_TOKEN_BEDROCK`)."""

    def __init__(self, token: str, hint: str) -> None:
        self._authorization = (b"authorization", f"Bearer {token}".encode())
        self.hint = hint

    async def prepare(self) -> None:
        """There is nothing to find."""

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request with the key."""
        kept = [(name, value) for name, value in request.headers if not name.startswith(_NEVER_THE_CLIENTS)]
        return replace(request, headers=[*kept, self._authorization])
