"""Pictures of the dashboard with invented data.

`python -m tests.browser.screenshots` takes those of the documentation; with a folder, every page light and dark, on a
desktop and on a phone, and prints how much each weighs and when its first content was painted.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, Page, sync_playwright

from aigateway.simulator import SimulatorThread
from tests.browser import story
from tests.browser.chromium import launch
from tests.support.mcp_server import McpServer
from tests.support.server import OWNER, GatewayProcess, providers
from tests.support.waiting import wait_until

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SESSION = f"/ai-gateway/sessions/{story.SESSION}"
PAGES = {
    "home": "/",
    "home-30d": "/?range=30d",
    "sessions": "/ai-gateway/sessions",
    "sessions-filtered": "/ai-gateway/sessions?q=client:Codex+initiator:ben&range=30d",
    "sessions-text": "/ai-gateway/sessions?q=text:certificate&range=30d",
    "sessions-none": "/ai-gateway/sessions?q=model:nothing",
    "session": SESSION,
    "session-print": f"{SESSION}?print=1",
    "interceptions": "/ai-gateway/interceptions?range=1h",
    "interceptions-text": "/ai-gateway/interceptions?q=text:certificate",
    "connect": "/connect",
    "connect-claude-code": "/connect/claude-code",
    "tokens": "/tokens",
    "people": "/people",
    "providers": "/providers",
    "tools": "/tools",
    "settings": "/settings",
    "account": "/account",
    "missing": "/nothing",
}
BEST = (
    ("home-30d", "desktop", "light"),
    ("sessions", "desktop", "light"),
    ("session", "desktop", "dark"),
    ("connect-claude-code", "desktop", "light"),
    ("session", "phone", "light"),
)
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
_MEASURED = """() => {
    const parts = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return [parts.reduce((sum, part) => sum + part.decodedBodySize, 0), Math.round(paint.startTime)];
}"""


def main() -> None:
    """Take them."""
    with _gateway() as gateway, sync_playwright() as playwright, launch(playwright) as browser:
        story.tell(gateway)
        wait_until(lambda: _is_summed_up(gateway), seconds=180)
        if len(sys.argv) > 1:
            _everything(browser, gateway, Path(sys.argv[1]))
        else:
            _best(browser, gateway)


@contextmanager
def _gateway() -> Iterator[GatewayProcess]:
    with SimulatorThread() as simulator, McpServer(("issue_search", "issue_comment")) as issues, _place() as place:
        configured = providers(
            {"TYPE": "anthropic", "KEYS": "sk-ant-0000-0001,sk-ant-0000-0002", "BASE_URL": simulator.url},
            {"TYPE": "openai", "KEY": "sk-proj-0000-0003", "BASE_URL": f"{simulator.url}/v1"},
            {"TYPE": "openai", "NAME": "azure-openai", "KEY": "sk-0000-0004", "BASE_URL": f"{simulator.url}/v1"},
        )
        configured |= {
            "CODER_ACCESS_URL": "https://ai.example.com",
            "CODER_OIDC_ISSUER_URL": "https://id.example.com",
            "CODER_OIDC_CLIENT_ID": "ai-gateway",
            "CODER_OIDC_CLIENT_SECRET": "secret-0000-0005",
            "CODER_OIDC_SIGN_IN_TEXT": "Example ID",
            "CODER_AI_GATEWAY_MCP_0_NAME": "issues",
            "CODER_AI_GATEWAY_MCP_0_URL": issues.url,
            "CODER_AI_GATEWAY_MCP_0_HEADERS": "Authorization: Bearer secret-0000-0006",
        }
        with GatewayProcess(place, configured) as gateway:
            yield gateway


def _is_summed_up(gateway: GatewayProcess) -> bool:
    """Whether the pictures of home have all figures. A server makes sums of what is new once a minute."""
    with urlopen(Request(f"{gateway.url}/.json?range=30d", headers={"Coder-Session-Token": gateway.token})) as answer:
        return bool(json.load(answer)["hours_left_out"] == 0)


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def _best(browser: Browser, gateway: GatewayProcess) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, size, scheme in BEST:
        with _page(browser, gateway, size, scheme) as page:
            page.goto(PAGES[name])
            if name.startswith("connect"):
                page.get_by_role("button", name="Create a token").click()
            if name == "session":
                page.locator("details").nth(1).evaluate("element => { element.open = true; }")
            _webp(page, IMAGES / f"{name}-{size}-{scheme}.webp")


def _webp(page: Page, file: Path) -> None:
    shown = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 82})
    file.write_bytes(base64.b64decode(shown["data"]))


def _everything(browser: Browser, gateway: GatewayProcess, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for size in SIZES:
            with _page(browser, gateway, size, scheme, folder / f"signin-{size}-{scheme}.png") as page:
                for name, path in PAGES.items():
                    page.goto(path)
                    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
                    weight, painted = page.evaluate(_MEASURED)
                    print(f"{name:20} {size:8} {scheme:6} {weight / 1024:6.1f} KB {painted:5} ms")  # noqa: T201
                    page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=True)


@contextmanager
def _page(
    browser: Browser, gateway: GatewayProcess, size: str, scheme: str, door: Path | None = None
) -> Iterator[Page]:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, base_url=gateway.url, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto("/signin")
    if door is not None:
        page.screenshot(path=door)
    page.get_by_label("E-mail address").fill(OWNER["email"])
    page.get_by_label("Password").fill(OWNER["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{gateway.url}/")
    yield page
    context.close()


if __name__ == "__main__":
    main()
