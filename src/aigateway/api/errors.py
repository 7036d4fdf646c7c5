"""How the REST API says no: `{"message", "detail"?, "validations"?}` (control-plane spec 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from aigateway.accounts.errors import (
    AccountError,
    Conflict,
    Invalid,
    Missing,
    NotSignedIn,
    ProviderFailed,
    Refused,
    SignInFailed,
)
from aigateway.api.search import BadSearch
from aigateway.store.engine import StoreUnavailable

STATUSES: dict[type[AccountError], int] = {
    Invalid: 400,
    NotSignedIn: 401,
    SignInFailed: 403,
    ProviderFailed: 502,
    Refused: 403,
    Missing: 404,
    Conflict: 409,
}
"""What each refusal is answered with."""


def refusal(
    status: int,
    message: str,
    detail: str = "",
    *,
    validations: Sequence[tuple[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An answer that says what is wrong and what to do.

    Args:
        status: the HTTP status.
        message: what happened, in a sentence.
        detail: what to do, or more about it.
        validations: fields or parameters, and what is wrong with each.
        headers: besides the usual ones.
    """
    body: dict[str, Any] = {"message": message}
    if detail:
        body["detail"] = detail
    if validations:
        body["validations"] = [{"field": field, "detail": text} for field, text in validations]
    return JSONResponse(body, status, headers)


INTERNAL = refusal(500, "The server made a mistake.", "It is in the server's log. Trying again may help.")
DATABASE_AWAY = refusal(
    503, "The database is away.", "Try again in a moment; the server's log says why.", headers={"Retry-After": "5"}
)


def install(app: FastAPI) -> None:
    """Make an application say no in this way."""
    handlers: dict[type[Exception], Callable[[Request, Any], Any]] = {
        AccountError: _account,
        BadSearch: _search,
        StoreUnavailable: _away,
        RequestValidationError: _unreadable,
        HTTPException: _http,
        Exception: _mistake,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _account(_request: Request, error: AccountError) -> JSONResponse:
    if isinstance(error, Invalid):
        return refusal(400, str(error), validations=[(error.field, str(error))])
    return refusal(STATUSES[type(error)], str(error))


async def _search(_request: Request, error: BadSearch) -> JSONResponse:
    return refusal(400, "The search cannot be understood.", validations=[(error.field, str(error))])


async def _away(_request: Request, _error: StoreUnavailable) -> JSONResponse:
    return DATABASE_AWAY


async def _unreadable(_request: Request, error: RequestValidationError) -> JSONResponse:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return refusal(400, "The body is not JSON.")
    validations = [(".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), one["msg"]) for one in found]
    return refusal(400, "The request has values that cannot be used.", validations=validations)


async def _mistake(_request: Request, _error: Exception) -> JSONResponse:
    return INTERNAL  # The framework raises the error again, and the guard logs it.


async def _http(_request: Request, error: HTTPException) -> JSONResponse:
    phrase = error.detail or HTTPStatus(error.status_code).phrase
    return refusal(error.status_code, f"{phrase}.".replace("..", "."), headers=dict(error.headers or {}))
