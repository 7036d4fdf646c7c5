"""What people send: forms as `application/x-www-form-urlencoded`, each with a token that only their session knows."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_FORM_SIZE = 64 * 1024
"""Bytes."""
_MAX_FIELDS = 50
TOKEN_FIELD = "form_token"  # noqa: S105  # the name of a field


class Form:
    """The fields of a form; one that was not sent is empty."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        """The last value of a field."""
        values = self.all(name)
        return values[-1] if values else ""

    def all(self, name: str) -> list[str]:
        """Every value of a field, as check boxes of one name send."""
        return [value for sent, value in self._fields if sent == name]


async def read(request: Request) -> Form:
    """The form in a request's body.

    Raises:
        HTTPException: 413 when it is too large, 400 when it is no form, 403 when it lacks the session's token.
    """
    form = Form(await _fields(request))
    expected = token(request.state.session_token)
    # A name is compared as bytes, since text must be ASCII there.
    if expected and not hmac.compare_digest(form[TOKEN_FIELD].encode(), expected.encode()):
        raise HTTPException(403, "This form is out of date. Load the page again, and send it once more.")
    return form


def token(session_token: str) -> str:
    """What the forms of a session carry; empty for nobody's. It tells nothing about the session's own token."""
    if not session_token:
        return ""
    return hmac.new(session_token.encode(), b"aigateway form", hashlib.sha256).hexdigest()


async def _fields(request: Request) -> list[tuple[str, str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(400, "This is not a form.")
    body = await _body(request)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, "This form cannot be read.") from error
    if any("\x00" in value for _, value in fields):
        raise HTTPException(400, "A field of this form has a NUL character.")
    return fields


async def _body(request: Request) -> bytes:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) > MAX_FORM_SIZE:
            raise HTTPException(413, f"The form is larger than {MAX_FORM_SIZE} bytes.")
    return bytes(pieces)
