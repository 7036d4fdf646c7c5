"""A small client of the management API, for the commands. It says what went wrong in one sentence."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from aigateway.cli import stored_login

_SECONDS = 60.0


class RestError(click.ClickException):
    """The server refused, or could not be asked; the command ends with status 1 and the message."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None when there was no answer."""


class Client:
    """Calls one gateway's `/api/v2`, with a token or without."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = normal_url(url)
        self._token = token
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if _is_loopback(self.url):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, *path: str, **query: Any) -> Any:
        """GET `/api/v2/<path>`; parameters that are None are left out. Raises RestError."""
        return self.call("GET", *path, query=query)

    def call(self, method: str, *path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """Call `/api/v2/<path>`, each segment quoted, and return the decoded JSON (None when empty).

        Raises:
            RestError: the server refused, answered something that is no JSON, or could not be reached.
        """
        asked = urlencode({key: value for key, value in (query or {}).items() if value is not None})
        target = f"{self.url}/api/v2/{'/'.join(quote(part, safe='') for part in path)}{'?' if asked else ''}{asked}"
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Coder-Session-Token"] = self._token
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(target, data, headers, method=method)  # noqa: S310  # normal_url allows http(s) only
        return self._send(request)

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RestError(self._refusal(error), error.code) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise RestError(
                f"{self.url} cannot be reached: {reason}. Is the server running, and is this its URL?"
            ) from None
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError:
            raise RestError(f"{self.url} did not answer with JSON. Is this the URL of an AI Gateway?") from None

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        if error.code in range(300, 400):
            return (
                f"{self.url} redirects to {error.headers.get('Location')}. Sign in there, with `aigateway login <url>`."
            )
        try:
            answer = json.loads(error.read())
        except (ValueError, OSError, http.client.HTTPException):
            answer = None
        if not isinstance(answer, dict) or not answer.get("message"):
            return f"{self.url} answered {error.code} {error.reason}."
        parts = [str(answer["message"])]
        if answer.get("detail"):
            parts.append(str(answer["detail"]))
        found = [part for part in answer.get("validations") or [] if isinstance(part, dict)]
        parts.extend(f"{part.get('field')}: {part.get('detail')}" for part in found)
        if error.code == 401 and self._token:
            parts.append("Sign in again with `aigateway login <url>`.")
        return "\n".join(parts)


def connect() -> Client:
    """A client for the gateway that the person is signed in to (CODER_URL and CODER_SESSION_TOKEN win).

    Raises:
        click.ClickException: there is no login.
    """
    stored = stored_login.load()
    url = os.environ.get("CODER_URL") or (stored.url if stored else None)
    token = os.environ.get("CODER_SESSION_TOKEN")
    if not token and stored and url and normal_url(url) == stored.url:
        token = stored.token
    if not url or not token:
        where = f" to {url}" if url else ""
        raise click.ClickException(
            f"You are not signed in{where}. Run `aigateway login <url>`, or set CODER_URL and CODER_SESSION_TOKEN."
        )
    return Client(url, token)


def normal_url(text: str) -> str:
    """The URL of a gateway without a trailing slash; a missing scheme is https, on this machine http.

    Raises:
        click.ClickException: it is no http or https URL.
    """
    text = text.strip()
    if "://" not in text:
        text = f"{'http' if _is_loopback(f'//{text}') else 'https'}://{text}"
    text = text.rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or parts.username or any(ord(sign) < 33 for sign in text):
        raise click.ClickException(f"{text!r} is not the URL of a gateway; write it like https://gateway.example.com.")
    return text


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None
