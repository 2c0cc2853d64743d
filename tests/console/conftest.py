"""A whole local system, a headless Chromium, and a page of the console in it for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.console.chromium import ARGUMENTS, NoChromium, chromium
from tests.console.desk import Desk
from tests.console.watching import PATIENCE_MS, Opener, Watch
from tests.local.running import Running, remove, running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a worker."""
    expect.set_options(timeout=PATIENCE_MS)
    try:
        path = chromium()
    except NoChromium as error:
        pytest.fail(str(error), pytrace=False)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    """What `make run` starts, with the customers of its story."""
    state = Path(tempfile.mkdtemp(prefix="ventana-console-")) / "state"
    with running(state) as found:
        found.wait_for("Look at it in the console")
        yield found
    remove(state)


@pytest.fixture
def desk(system: Running) -> Desk:
    """The system's API and its playground, past the browser."""
    return Desk(system)


@pytest.fixture
def watch(system: Running) -> Iterator[Watch]:
    """Sees what pages ask for and complain about; both is judged after the test."""
    watching = Watch(system.runtime["base_url"], system)
    watching.others |= media_origins(system.runtime["base_url"])
    yield watching
    watching.judge()


def media_origins(base_url: str) -> set[str]:
    """Where a page may have pictures from beside the gateway: the bucket, which is in the policy by name."""
    with urlopen(f"{base_url}/console/") as page:
        rules = page.headers["content-security-policy"].split("; ")
    (images,) = (rule for rule in rules if rule.startswith("img-src "))
    return {origin for origin in images.split() if origin.startswith("http")}


@pytest.fixture
def opened(browser: Browser, watch: Watch) -> Iterator[Opener]:
    """Opens pages of the console: `opened()` signs in, in English, light and wide; arguments change that."""
    opener = Opener(browser, watch)
    yield opener
    opener.close()
