"""The proxies of the environment, for calls to providers."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


class Proxies:
    """The proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), as it was when this was made."""

    def __init__(self) -> None:
        self._proxies = getproxies()

    def __bool__(self) -> bool:
        return any(scheme != "no" for scheme in self._proxies)

    def of(self, url: str) -> str | None:
        """The proxy for a URL; None for none."""
        if not self._proxies:
            return None
        parts = urlsplit(url)
        if proxy_bypass(parts.netloc):
            return None
        return self._proxies.get(parts.scheme) or self._proxies.get("all")
