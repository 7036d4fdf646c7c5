"""The proxies of the environment, for calls to providers."""

from __future__ import annotations

import os
from urllib.parse import urlsplit


class Proxies:
    """The proxies of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), as it was when this was made."""

    def __init__(self) -> None:
        self._proxies = _getproxies()

    def __bool__(self) -> bool:
        return any(scheme != "no" for scheme in self._proxies)

    def of(self, url: str) -> str | None:
        """The proxy for a URL; None for none."""
        if not self._proxies:
            return None
        from urllib.request import proxy_bypass  # noqa: PLC0415 - see `_getproxies`

        parts = urlsplit(url)
        if proxy_bypass(parts.netloc):
            return None
        return self._proxies.get(parts.scheme) or self._proxies.get("all")


def _getproxies() -> dict[str, str]:
    """As `urllib` has them, which is slow to import for the many who have none."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies  # noqa: PLC0415

    return getproxies()
