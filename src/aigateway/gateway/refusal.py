"""The gateway's own answers: every refusal, in the shape of the API that the client speaks (decisions 6 and 31)."""

from __future__ import annotations

import uuid

from aigateway.wire.errors import error_body
from aigateway.wire.facts import ApiFormat

INTERCEPTION_HEADER = b"x-ai-gateway-interception-id"
"""Names the interception of an answer (decision 1)."""

_TRANSIENT = frozenset({408, 429, 502, 503, 504})
"""Where trying again may help, an SDK may decide so."""


class Refusal(Exception):
    """The request is not served. The message tells what happened and what to do; it begins with who says so."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str | None = None,
        code: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = f"AI Gateway: {message}"
        self.error_type = error_type or _kind(status)
        """What the record calls it, where there is one."""
        self.code = code
        """What OpenAI's API calls it, where it has a word for it."""
        self.headers = headers
        self.interception_id: str | None = None
        """Set when the request is on record."""

    def response(self, api: ApiFormat) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body."""
        on_record = self.interception_id
        request_id = on_record or str(uuid.uuid4())
        message = self.message if on_record is None else f"{self.message} (interception {on_record})"
        body = error_body(api, self.status, message, code=self.code, request_id=request_id)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"request-id" if api is ApiFormat.MESSAGES else b"x-request-id", request_id.encode()),
            *self.headers,
        ]
        if self.status not in _TRANSIENT:
            headers.append((b"x-should-retry", b"false"))
        if on_record is not None:
            headers.append((INTERCEPTION_HEADER, on_record.encode()))
        return self.status, headers, body


class ProviderFailed(Refusal):
    """The provider was called and could not serve: a refusal that counts against it (decision 18)."""


def stopping() -> Refusal:
    """The refusal of a gateway that was told to stop."""
    return Refusal(
        503,
        "the gateway is stopping. Try again in a moment.",
        error_type="interrupted",
        headers=((b"retry-after", b"1"),),
    )


def no_background() -> Refusal:
    """The refusal of a Responses request whose answer nobody would wait for."""
    return Refusal(501, "background requests ('background': true) are not supported. Send the request without it.")


def bug() -> Refusal:
    """The answer to a mistake of ours."""
    return Refusal(500, "the gateway failed on this request; its log has the reason.")


def _kind(status: int) -> str:
    if status == 401:
        return "unauthorized"
    return "bad_request" if status < 500 else "server_error"
