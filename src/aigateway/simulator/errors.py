"""The providers' errors, in their own shapes."""

from __future__ import annotations

from typing import Any

_MESSAGES = {
    400: "The simulated provider finds this request invalid.",
    401: "The simulated provider does not know this key.",
    402: "The simulated provider's credit is used up.",
    403: "The simulated provider does not allow this.",
    404: "The simulated provider has no such thing.",
    405: "The simulated provider does not allow this method here.",
    408: "The simulated provider waited too long for the request.",
    409: "The simulated provider sees a conflict.",
    413: "The simulated provider finds this request too large.",
    422: "The simulated provider cannot process this request.",
    429: "The simulated provider has a rate limit, and it is reached.",
    500: "The simulated provider had an error.",
    503: "The simulated provider is overloaded.",
    504: "The simulated provider took too long.",
    529: "Overloaded",
}
_OPENAI_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"


def openai(status: int, message: str | None = None) -> dict[str, Any]:
    """OpenAI's error body."""
    kind, code = _OPENAI_TYPES.get(status, ("invalid_request_error" if status < 500 else "server_error", None))
    return {"error": {"message": message or _MESSAGES[status], "type": kind, "param": None, "code": code}}


def anthropic(status: int, request_id: str, message: str | None = None) -> dict[str, Any]:
    """Anthropic's error body."""
    kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    text = message or _MESSAGES[status]
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}
