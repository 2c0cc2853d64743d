"""Pages of the console, and whoever watches what they ask for and complain about."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.local.running import Running

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 20_000
"""How long anything may take on a busy machine; nobody waits so long for what is there."""
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""What a browser says of an answer that is no success, whatever the page makes of it."""


class Watch:
    """Keeps every request and complaint of the pages of one test. `forgives` names complaints that it expects."""

    def __init__(self, origin: str, system: Running | None = None) -> None:
        self.origin, self.system = origin, system
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.forgives: list[str] = []
        self.others: set[str] = set()
        """Origins that may be asked beside the gateway's."""

    def follow(self, page: Page) -> None:
        page.on("request", lambda request: self.requests.append(request))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(error.stack or str(error)))

    def judge(self) -> None:
        """Nobody outside was asked, and nothing went wrong in the page, the content security policy included."""
        asked = {urlsplit(request.url)._replace(path="", query="", fragment="").geturl() for request in self.requests}
        ours = {self.origin, *self.others}
        outside = {url for url in asked - ours if not url.startswith(("blob:", "data:"))}
        assert not outside, f"the console asked {outside}"
        wrong = [said for said in self.complaints if not any(words in said for words in self.forgives)]
        assert not wrong, wrong

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.match(message.text):
            self.complaints.append(message.text)


class Opener:
    """Opens pages in contexts of their own, which are closed with the test."""

    def __init__(self, browser: Browser, watch: Watch) -> None:
        self._browser, self._watch = browser, watch
        self._contexts: list[BrowserContext] = []

    def __call__(self, place: str = "", token: str | None = "", **context: Any) -> Page:
        """A page at a place (`#/…`) of the console; a `token` of None signs nobody in, an empty one is the writer's."""
        settings = {"viewport": WIDE, "locale": "en-US", "color_scheme": "light", "timezone_id": "UTC", **context}
        made = self._browser.new_context(**settings)
        made.set_default_timeout(PATIENCE_MS)
        self._contexts.append(made)
        page = made.new_page()
        self._watch.follow(page)
        if token is not None:
            assert self._watch.system is not None
            held = token or self._watch.system.runtime["api_token"]
            # As the console keeps it, so that the first page is the one that is asked for.
            page.add_init_script(
                f"sessionStorage.getItem('ventana.token') || sessionStorage.setItem('ventana.token', '{held}')"
            )
        page.goto(f"{self._watch.origin}/console/{place}")
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def hook(name: str, **data: str) -> str:
    """The selector of a part of the console that tests know by name."""
    return f'[data-test="{name}"]' + "".join(f'[data-{key}="{value}"]' for key, value in data.items())
