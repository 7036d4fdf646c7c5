"""The gateway's own errors, in the shape of each API, so that its SDKs raise the right exception with the right words.

Shapes: OpenAI's error object (platform.openai.com, "Error codes"), Anthropic's (docs.anthropic.com, "Errors").
"""

from __future__ import annotations

import msgspec

from aigateway.wire.facts import ApiFormat

_OPENAI_TYPES: dict[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    402: "insufficient_quota",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: dict[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    503: "overloaded_error",
    529: "overloaded_error",
}

_NEUTRALISE = {
    # Renames a half-sent event to one that Anthropic's SDKs skip unread.
    ApiFormat.MESSAGES: b"\nevent: ping\n\n",
    ApiFormat.CHAT: b"\n\n",
    ApiFormat.RESPONSES: b"\n\n",
}


def error_body(
    api: ApiFormat,
    status: int,
    message: str,
    *,
    type: str | None = None,  # noqa: A002 - the field's own name in both APIs
    code: str | None = None,
    request_id: str = "",
) -> bytes:
    """Make the JSON body of an error answer with that HTTP status, from which the type follows if none is given."""
    if api is ApiFormat.MESSAGES:
        error = {"type": type or _anthropic_type(status), "message": message}
        return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})
    kind = type or _OPENAI_TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def error_event(
    api: ApiFormat,
    message: str,
    *,
    type: str = "api_error",  # noqa: A002 - the field's own name in both APIs
) -> bytes:
    """Make the bytes that end a cut stream so that the SDKs raise.

    They may be sent wherever an uncompressed stream was cut, in the middle of a line as well: what was half sent
    becomes an event of its own. A Messages client skips that event; the OpenAI SDKs raise a JSON error on a half-sent
    event before they see ours, so there a relay does better to drop the connection (`Observer.mid_event`).
    """
    return _NEUTRALISE[api] + _event(api, message, type)


def _event(api: ApiFormat, message: str, kind: str) -> bytes:
    if api is ApiFormat.MESSAGES:
        return b"event: error\ndata: " + error_body(api, 500, message, type=kind) + b"\n\n"
    error = {"message": message, "type": kind, "param": None, "code": kind}
    if api is ApiFormat.CHAT:
        return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"
    # The Responses API's own event has no `error` object, but the Python SDK raises only for one; both are here.
    event = {"type": "error", "code": kind, "message": message, "param": None, "sequence_number": 0, "error": error}
    return b"event: error\ndata: " + msgspec.json.encode(event) + b"\n\n"


def _anthropic_type(status: int) -> str:
    return _ANTHROPIC_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
