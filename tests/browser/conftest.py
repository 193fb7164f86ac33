"""A real browser at a real server; whatever the page's policy refuses fails the test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests import desk
from tests.conftest import ROOT

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# A browser that looks for nobody but the server under test.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SCREENSHOTS = ROOT / "docs" / "moderation"


def _program() -> str | None:
    return os.environ.get("IM_TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


def _missing(why: str) -> None:
    """In CI a browser that is not there is a failure; elsewhere a reason to skip, said aloud."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start the machine's Chromium, once for all tests of this folder."""
    program = _program()
    if program is None:
        _missing("no Chromium on PATH, and IM_TEST_CHROMIUM is not set")
    # Playwright keeps an event loop running in this thread, which has no part in Django's queries;
    # it must be gone when other folders, with loops of their own, have their turn.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as player:
        try:
            browser = player.chromium.launch(executable_path=program, args=_FLAGS)
        except Error as error:
            _missing(f"Chromium does not start: {error}")
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Window:
    """A window of a member of staff: goes to pages, and keeps what the browser complained about."""

    def __init__(self, page: Page, server: str) -> None:
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        page.on("console", lambda said: said.type == "error" and self._note(said.text))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.set_default_timeout(15_000)

    def _note(self, text: str) -> None:
        # The status of a page that refuses is what a test asks for itself.
        if "status of 4" not in text:
            self.complaints.append(text)

    def open(self, path: str) -> Any:
        """Go to a page of the admin."""
        return self.page.goto(f"{self.server}/admin/{path}")

    def log_in(self, username: str, password: str = desk.STAFF_PASSWORD) -> None:
        """Log in through the form."""
        self.open("")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", password)
        self.page.click("[type=submit][value='Log in']")

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Take a picture for the manual, of the whole page perhaps, if IM_TEST_SCREENSHOTS asks."""
        if "IM_TEST_SCREENSHOTS" in os.environ:
            SCREENSHOTS.mkdir(exist_ok=True)
            self.page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"), full_page=whole)


@pytest.fixture
def window(chromium, server) -> Iterator[Window]:
    """Open a window with no cookies; it must not complain."""
    with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
        found = Window(context.new_page(), server)
        yield found
        assert not found.complaints
