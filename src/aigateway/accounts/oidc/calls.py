"""Asking the provider: JSON objects of a sensible size, soon, and from nowhere else than where it said."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from aigateway.accounts.errors import ProviderFailed

_PATIENCE = 10.0
"""Seconds for one answer: a person is waiting."""
_LARGEST_ANSWER = 1 << 20
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said."""

    status: int
    document: dict[str, Any]


async def get(url: str, what: str, *, bearer: str = "") -> dict[str, Any]:
    """The JSON object at a place.

    Args:
        url: the place.
        what: how to call it in messages.
        bearer: the access token to show.

    Raises:
        ProviderFailed: there is none, or not in time.
    """
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    answer = await _ask("GET", url, what, headers, None)
    if answer.status != 200:
        raise _failed(what, f"status {answer.status}")
    return answer.document


async def post(url: str, what: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Answer:
    """The answer to a form.

    Raises:
        ProviderFailed: it is no JSON object, or did not come in time.
    """
    return await _ask("POST", url, what, {"Accept": "application/json", **headers}, form)


async def _ask(method: str, url: str, what: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(
                method, url, headers=headers, data=form, allow_redirects=False, proxy=_proxy(url), ssl=_trusted()
            ) as response,
        ):
            body = await response.content.read(_LARGEST_ANSWER + 1)
            while len(body) <= _LARGEST_ANSWER and (piece := await response.content.read(_LARGEST_ANSWER)):
                body += piece
    except TimeoutError as error:
        raise _failed(what, f"no answer within {_PATIENCE:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _failed(what, type(error).__name__) from error
    return Answer(response.status, _object(body, what, response.status))


def _object(body: bytes, what: str, status: int) -> dict[str, Any]:
    if len(body) > _LARGEST_ANSWER:
        raise _failed(what, f"more than {_LARGEST_ANSWER} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _failed(what, f"status {status}, no JSON") from error
    if not isinstance(document, dict):
        raise _failed(what, f"status {status}, no JSON object")
    return document


def _failed(what: str, reason: str) -> ProviderFailed:
    return ProviderFailed(f"{what}: {reason}")


@cache
def _trusted() -> ssl.SSLContext:
    """Made once; it reads SSL_CERT_FILE and SSL_CERT_DIR, unlike aiohttp's own that was made at import."""
    return ssl.create_default_context()


def _proxy(url: str) -> str | None:
    """The environment's proxy for a URL. aiohttp's own way would also send what ~/.netrc says."""
    parts = urlsplit(url)
    proxies = getproxies()
    return None if not proxies or proxy_bypass(parts.netloc) else proxies.get(parts.scheme) or proxies.get("all")
