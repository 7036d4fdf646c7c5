"""Where the server is, as people reach it."""

from __future__ import annotations

import re

from starlette.requests import Request

from aigateway.web.site import Site

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


def address(site: Site, request: Request) -> str:
    """Without a trailing slash: as the operator says, else as this person's browser does."""
    if site.access_url:
        return site.access_url
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"
