"""Pictures of every page, for looking at and for the documentation: `python -m tests.browser.screenshots FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from aigateway.simulator import SimulatorThread
from tests.browser import story
from tests.browser.chromium import launch
from tests.support.server import OWNER, GatewayProcess, providers

SESSION = f"/ai-gateway/sessions/{story.SESSION}"
PAGES = {
    "home": "/",
    "home-30d": "/?range=30d",
    "sessions": "/ai-gateway/sessions",
    "sessions-filtered": "/ai-gateway/sessions?q=model:gpt-5.5+initiator:ben&range=30d",
    "sessions-none": "/ai-gateway/sessions?q=model:nothing",
    "session": SESSION,
    "interceptions": "/ai-gateway/interceptions",
    "connect": "/connect",
    "connect-claude-code": "/connect/claude-code",
    "tokens": "/tokens",
    "people": "/people",
    "providers": "/providers",
    "missing": "/nothing",
}
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


def main(folder: Path, *only: str) -> None:
    """Take them all, light and dark, on a desktop and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    with SimulatorThread() as simulator, tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        configured = providers(
            {"TYPE": "anthropic", "NAME": "anthropic", "KEYS": "sk-a-1,sk-a-2", "BASE_URL": simulator.url},
            {"TYPE": "openai", "NAME": "openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"},
            {"TYPE": "openai", "NAME": "azure-openai", "KEY": "sk-test", "BASE_URL": f"{simulator.url}/v1"},
        )
        with GatewayProcess(Path(place), configured) as gateway, launch(playwright) as browser:
            story.tell(gateway)
            for scheme in ("light", "dark"):
                for size in SIZES:
                    _take(browser, gateway, folder, scheme, size, only)


def _take(
    browser: Browser, gateway: GatewayProcess, folder: Path, scheme: str, size: str, only: tuple[str, ...]
) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        base_url=gateway.url,
        reduced_motion="reduce",
        device_scale_factor=1,
    )
    page = context.new_page()
    _picture(page, "/signin", folder / f"signin-{size}-{scheme}.png")
    page.get_by_label("E-mail address").fill(OWNER["email"])
    page.get_by_label("Password").fill(OWNER["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{gateway.url}/")
    for name, path in PAGES.items():
        if not only or name in only:
            _picture(page, path, folder / f"{name}-{size}-{scheme}.png")
    context.close()


def _picture(page: Page, path: str, file: Path) -> None:
    page.goto(path)
    page.screenshot(path=file, full_page=True, animations="disabled")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
