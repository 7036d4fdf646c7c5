"""Style, script and icon: read once, served under names that change with what is in them."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/static/"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """The files of `static/`, in memory."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._files: dict[str, tuple[bytes, str]] = {}
        for file in resources.files("aigateway.web").joinpath("static").iterdir():
            stem, _, kind = file.name.rpartition(".")
            if kind not in _TYPES:
                continue
            content = file.read_bytes()
            name = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{kind}"
            self._urls[file.name] = PREFIX + name
            self._files[name] = (content, _TYPES[kind])

    def url(self, name: str) -> str:
        """Where a file is served.

        Raises:
            KeyError: there is none of this name.
        """
        return self._urls[name]

    async def serve(self, request: Request) -> Response:
        """A file; browsers may keep it for ever, since another content has another name."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        return Response(found[0], headers={"Cache-Control": _FOR_EVER}, media_type=found[1])
