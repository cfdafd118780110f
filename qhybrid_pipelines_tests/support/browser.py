"""A real browser before Dagster's page: it waits long enough for a loaded machine, and goes nowhere but to this machine."""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
]
START_SECONDS, RUN_SECONDS = 60, 60


@contextmanager
def open_page(address: str) -> Iterator[Page]:
    """Yield a page of the system's Chromium; skips loudly where there is none, and fails if it asked another machine."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("SKIPPED LOUDLY: no Chromium on this machine, the web page is not tried")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1100}, base_url=address)
        page.add_init_script("localStorage.setItem('communityNux', '1')")  # no invitation over the page
        page.set_default_timeout(1000 * RUN_SECONDS)
        elsewhere: list[str] = []
        page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else elsewhere.append(r.url))
        yield page
        browser.close()
        assert elsewhere == []


def axe_violations(page: Page) -> list[dict[str, Any]]:
    """Return what axe-core finds on a page; it is run by the browser's own tools, which no policy of the page binds."""
    session = page.context.new_cdp_session(page)
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    session.send("Runtime.evaluate", {"expression": axe})
    run = {"expression": "axe.run().then(r => JSON.stringify(r.violations))", "awaitPromise": True}
    found: list[dict[str, Any]] = json.loads(session.send("Runtime.evaluate", run)["result"]["value"])
    return found


def assert_spoken_in_order(page: Page, *words: str) -> None:
    """Assert that a screen reader is told these, line by line of the browser's own tree, in this order."""
    tree = page.locator("body").aria_snapshot()
    place = 0
    for word in words:
        assert word in tree[place:], (word, tree)
        place = tree.index(word, place) + len(word)


def get_free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(address: str) -> bool:
    """Tell whether a page can be had."""
    try:
        with urllib.request.urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something to happen; fails after so many seconds, saying what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.25)
