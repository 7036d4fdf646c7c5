"""The Chromium that is installed, as tests and pictures use it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
)
"""It asks nobody but the server under test for anything."""


@contextmanager
def launch(playwright: Playwright) -> Iterator[Browser]:
    """A browser, until the block ends."""
    browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(_QUIET))
    try:
        yield browser
    finally:
        browser.close()
