"""Step 4: the body as bytes, and a decoded view of it."""

from __future__ import annotations

from collections.abc import Mapping

from aigateway.gateway.admit import too_large
from aigateway.gateway.client import BodyTooLarge, Client
from aigateway.gateway.refusal import Refusal, no_background
from aigateway.wire.encodings import DecodedTooLarge, Undecodable, decode_body
from aigateway.wire.facts import ApiFormat, RequestFacts
from aigateway.wire.request import MalformedBody, read_request


async def read(client: Client, most: int) -> bytes:
    """The whole body, as it was sent.

    Raises:
        Refusal: 413 when it is over so many bytes.
        ClientGone: the client went away.

    """
    try:
        return await client.body(most)
    except BodyTooLarge:
        raise too_large(most) from None


def view(api: ApiFormat, body: bytes, headers: Mapping[str, str], limit: int) -> RequestFacts:
    """What the body says. A compressed one is decoded for the view only.

    Raises:
        Refusal: 400 when it cannot be read, 413 when it is over the limit once decoded, 501 for a background request.

    """
    encoding = headers.get("content-encoding", "")
    try:
        facts = read_request(api, decode_body(body, encoding, limit) if encoding else body)
    except DecodedTooLarge:
        raise too_large(limit) from None
    except (MalformedBody, Undecodable) as error:
        raise Refusal(400, str(error)) from None
    if facts.background:
        raise no_background()
    return facts
