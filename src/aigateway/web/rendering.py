"""From what a page knows to what is sent: HTML for people, the same in JSON for programs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import Thread
from types import CodeType
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from aigateway.accounts import roles
from aigateway.accounts.actor import Actor
from aigateway.accounts.roles import Permission
from aigateway.store.times import rfc3339, utc_now
from aigateway.web import forms, wording
from aigateway.web.assets import Assets

THEME_COOKIE = "aigateway_theme"
THEMES = ("auto", "light", "dark")
_NAVIGATION: tuple[tuple[str, str, Permission | None], ...] = (
    ("/", "Home", None),
    ("/ai-gateway/sessions", "Sessions", None),
    ("/ai-gateway/interceptions", "Interceptions", None),
    ("/connect", "Connect", None),
    ("/tools", "Tools", None),
    ("/tokens", "Tokens", None),
    ("/people", "People", Permission.READ_ALL_USERS),
    ("/providers", "Providers", Permission.READ_SERVER_STATE),
    ("/settings", "Settings", Permission.READ_SETTINGS),
)
"""What leads where, and what one must be allowed to see it."""


class _Compiled(BytecodeCache):
    """What templates were compiled to, which takes longer than all else about a page."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}
        self._is_warm = False

    def load_bytecode(self, bucket: Bucket) -> None:
        """Called before a template is compiled."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Called after it."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code

    def warm_up(self, environment: Environment) -> None:
        """Compile all of them in the background, once: a server whose pages nobody opens need not."""
        if not self._is_warm:
            self._is_warm = True
            Thread(target=self._compile_all, args=(environment,), name="templates", daemon=True).start()

    @staticmethod
    def _compile_all(environment: Environment) -> None:
        for name in environment.list_templates(extensions=["html"]):
            environment.get_template(name)


_COMPILED = _Compiled()


class Renderer:
    """Makes the pages of one site. Everything that templates are given is escaped.

    Renderers differ in their clocks only, so they share what templates were compiled to.
    """

    def __init__(self, assets: Assets, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self._environment = Environment(
            loader=PackageLoader("aigateway.web"),
            bytecode_cache=_COMPILED,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = assets.url
        self._environment.filters |= {
            "ago": self._ago,
            "compact": wording.compact,
            "duration": wording.duration,
            "exact": wording.exact,
            "grouped": wording.grouped,
            "hue": wording.hue,
            "initials": wording.initials,
            "moment": wording.moment,
            "one_line": wording.one_line,
            "pretty": wording.pretty,
            "rfc3339": rfc3339,
            "segment": segment,
        }

    def answer(
        self, request: Request, template: str, twin: Callable[[], Any], *, status: int = 200, **view: Any
    ) -> Response:
        """A page, or its twin.

        Args:
            request: who asks, and for which of the two.
            template: the page's name, without `.html`.
            twin: makes what the page says in JSON; only called where that is asked for.
            status: the HTTP status.
            view: what the template is given besides what every page knows.
        """
        if request.state.json:
            return JSONResponse(twin(), status)
        actor: Actor | None = request.state.actor
        html = self._environment.get_template(f"{template}.html").render(
            actor=actor,
            may=_permissions(actor),
            navigation=_navigation(actor, request.scope["path"]),
            form_token=forms.token(request.state.session_token),
            twin_url=_twin_url(request),
            theme=_theme(request),
            here=_here(request),
            **{"error": "", "done": "", "incomplete": ""} | view,
        )
        _COMPILED.warm_up(self._environment)
        return HTMLResponse(html, status)

    def _ago(self, moment: datetime | None) -> Markup:
        if moment is None:
            return Markup("&ndash;")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            rfc3339(moment), wording.exact(moment), wording.ago(moment, self.clock())
        )


def segment(text: str) -> str:
    """A text as one segment of a path. A slash behind it keeps one that ends in `.json` from meaning the twin."""
    encoded = quote(text, safe="")
    return f"{encoded}/" if text.endswith((".json", "/")) else encoded


def with_query(path: str, **values: str | int) -> str:
    """A URL with the parameters that are not empty."""
    kept = {name: value for name, value in values.items() if value not in ("", 0)}
    return f"{path}?{urlencode(kept)}" if kept else path


def _permissions(actor: Actor | None) -> set[str]:
    """The names of what an actor may do, as templates ask for them."""
    return {permission.name for permission in Permission if actor and roles.allows(actor.roles, permission)}


def _navigation(actor: Actor | None, path: str) -> list[tuple[str, str, bool]]:
    if actor is None:
        return []
    return [
        (url, label, path == url or (url != "/" and path.startswith(f"{url}/")))
        for url, label, needed in _NAVIGATION
        if needed is None or roles.allows(actor.roles, needed)
    ]


def _theme(request: Request) -> str:
    asked = request.cookies.get(THEME_COOKIE, "")
    return asked if asked in THEMES else THEMES[0]


def _here(request: Request) -> str:
    """The page that is shown, for coming back to it."""
    path = quote(request.scope["path"])
    query = request.url.query
    return f"{path}?{query}" if query else path


def _twin_url(request: Request) -> str:
    path = quote(request.scope["path"].rstrip("/")) or "/"
    query = request.url.query
    return f"{path}.json" + (f"?{query}" if query else "")
