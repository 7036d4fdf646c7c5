"""Answers that are made of plain data already, and need no framework to look at every value of them again."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response
from fastapi.responses import JSONResponse

from aigateway.api.errors import refusal


def answer(value: Any) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")


def no_page(parameter: str, text: str) -> JSONResponse:
    """A refusal to show a page, because of one parameter."""
    return refusal(400, "The page cannot be found.", validations=[(parameter, text)])
