"""What AWS calls an error, as Anthropic's API would say it (docs.anthropic.com, "Errors").

The names are those of the Bedrock Runtime API and of AWS's common errors.
"""

from __future__ import annotations

import msgspec

from aigateway.wire.errors import error_body
from aigateway.wire.facts import ApiFormat

_TYPES = {
    "accessdenied": "permission_error",
    "expiredtoken": "authentication_error",
    "incompletesignature": "authentication_error",
    "internalfailure": "api_error",
    "internalserver": "api_error",
    "invalidclienttokenid": "authentication_error",
    "invalidsignature": "authentication_error",
    "missingauthenticationtoken": "authentication_error",
    "modelerror": "api_error",
    "modelnotready": "overloaded_error",
    "modelstreamerror": "api_error",
    "modeltimeout": "timeout_error",
    "resourcenotfound": "not_found_error",
    "servicequotaexceeded": "rate_limit_error",
    "serviceunavailable": "overloaded_error",
    "throttling": "rate_limit_error",
    "toomanyrequests": "rate_limit_error",
    "unrecognizedclient": "authentication_error",
    "validation": "invalid_request_error",
}


class _Error(msgspec.Struct):
    """The body of an error; some services write the key with a capital letter."""

    message: str = ""
    Message: str = ""


def words(payload: bytes) -> str | None:
    """The message in an error's body; None when it is not AWS's."""
    try:
        error = msgspec.json.decode(payload, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return error.message or error.Message or None


def type_of(name: str) -> str | None:
    """Anthropic's type for AWS's name: `throttlingException`, or `ValidationException:http://…` of a header."""
    plain = name.partition(":")[0].rpartition("#")[2].lower()
    return _TYPES.get(plain.removesuffix("exception"))


def body(status: int, name: str, message: str, request_id: str) -> bytes:
    """The body of an error answer with that HTTP status."""
    return error_body(ApiFormat.MESSAGES, status, message, type=type_of(name), request_id=request_id)


def event(name: str, message: str) -> bytes:
    """An error in the middle of a stream."""
    kind = type_of(name) or "api_error"
    return b"event: error\ndata: " + error_body(ApiFormat.MESSAGES, 500, message, type=kind) + b"\n\n"
