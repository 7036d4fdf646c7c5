"""The description of the API: as OpenAPI for programs, and as a page without scripts for people."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from aigateway import __version__
from aigateway.api.answers import answer

_ABOUT = """
Everything is under `/api/v2`. Paths that begin with `/api/v2/ai-gateway/` are also found under their older name,
`/api/v2/aibridge/`. Sign in with a token in the header `Coder-Session-Token` (or `Authorization: Bearer`); the session
cookie of a browser will do as well. Times are RFC 3339 with `Z`. Refusals have a `message`, often a `detail` that says
what to do, and `validations` when a value cannot be used.

Searches (`q`) are `key:value` elements separated by blanks; double quotes keep blanks and colons together. The keys:
`initiator` (user name, UUID or `me`), `provider` (type), `provider_name`, `model`, `client`, `error_type` (`any` for
every failure), `status` (HTTP status), `started_after` and `started_before` (RFC 3339, inclusive), and for sessions
`session_id`. `text` looks into prompts, thoughts, and tools with their input: `text:build` finds the word,
`text:"does not compile"` the words in this order, `text:compil*` what begins so, and several of them requests that
have all.
"""
_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
section{border-top:1px solid #8886;margin-top:1.5rem}
dt{margin-top:.5rem}
dd{margin-left:1.5rem}
.method{font-weight:700;margin-right:.5rem}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def install(app: FastAPI) -> None:
    """Let an application describe itself to whoever is signed in, at `/api/v2/openapi.json` and `/api/v2/docs`."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way to extend it

    @app.get("/api/v2/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return answer(describe())

    @app.get("/api/v2/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page(describe()), media_type="text/html; charset=utf-8", headers=_HEADERS)


def page(document: dict[str, Any]) -> str:
    """The document as HTML, for reading."""
    return "".join(_page(document))


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title="AI Gateway", version=__version__, description=_ABOUT, routes=app.routes)
    for _, _, operation in _operations(document):
        # FastAPI would answer bad values with 422; this application answers 400 (`errors`).
        operation["responses"].pop("422", None)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {
        "token": {"type": "apiKey", "in": "header", "name": "Coder-Session-Token"}
    }
    document["security"] = [{"token": []}]
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _page(document: dict[str, Any]) -> Iterator[str]:
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AI Gateway: REST API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>AI Gateway: REST API</h1>"
    )
    yield from _paragraphs(document["info"]["description"])
    yield '<p>For programs: <a href="/api/v2/openapi.json">openapi.json</a>.</p>'
    for path, method, operation in _operations(document):
        yield f'<section><h2><span class="method">{method}</span><code>{html.escape(path)}</code></h2>'
        yield f"<p><strong>{html.escape(operation.get('summary', ''))}</strong></p>"
        yield from _paragraphs(operation.get("description", ""))
        yield "<dl>"
        for one in operation.get("parameters", []):
            needed = ", needed" if one.get("required") else ""
            yield f"<dt><code>{html.escape(one['name'])}</code> ({html.escape(one['in'])}{needed})</dt>"
            yield f"<dd>{_inline(one.get('description', ''))}</dd>"
        for status, told in operation["responses"].items():
            yield f"<dt>{html.escape(status)}</dt><dd>{_inline(told.get('description', ''))}</dd>"
        yield "</dl></section>"
    yield "</main></body></html>"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in filter(str.strip, text.split("\n\n")):
        yield f"<p>{_inline(paragraph)}</p>"


def _inline(text: str) -> str:
    """Escaped text, with what stands between backquotes as code."""
    pieces = html.escape(text.strip()).split("`")
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))
