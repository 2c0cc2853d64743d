"""A hundred thousand conversations: the first of them are there at once, the others come as one scrolls or looks."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import expect

from tests.benchmarks.population import populate
from tests.console.desk import Desk
from tests.console.watching import Opener, Watch, hook

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CONVERSATIONS = 100_000
WORDS = """
insert into customer_words (conversation_id, words)
select id, customer_words_v1(contact_name, contact_email, phone) from kommo_conversations
on conflict do nothing
"""
FAR = 300
"""Rows down the list."""
AT_ONCE = 200
"""Rows that one answer may hold at most."""


@pytest.fixture(scope="module")
def crowd(system: object, request: pytest.FixtureRequest) -> None:
    """All of them, written before anything is looked at."""
    with psycopg.connect(request.getfixturevalue("system").runtime["dsn"], autocommit=True) as database:
        populate(database, CONVERSATIONS, CONVERSATIONS)
        database.execute(WORDS)
        database.execute("analyze customer_words")


def test_the_first_are_there_and_the_others_come(crowd: None, opened: Opener, watch: Watch) -> None:
    page = opened()
    page.locator(hook("inbox-row")).first.wait_for()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    first = page.evaluate("performance.now()")
    print(f"\nof {CONVERSATIONS:,} conversations the first was there after {first:.0f} ms (first paint {paint:.0f} ms)")  # noqa: T201
    seen = set(page.eval_on_selector_all(hook("inbox-row"), "rows => rows.map(row => row.dataset.id)"))
    assert len(seen) <= AT_ONCE
    page.locator(hook("inbox-list")).hover()
    started = time.monotonic()
    while len(seen) < FAR:
        before = len(seen)
        page.mouse.wheel(0, 4000)
        page.wait_for_function(
            "([hook, seen]) => [...document.querySelectorAll(hook)].some(row => !seen.includes(row.dataset.id))",
            arg=[hook("inbox-row"), list(seen)],
        )
        seen |= set(page.eval_on_selector_all(hook("inbox-row"), "rows => rows.map(row => row.dataset.id)"))
        assert len(seen) > before
    print(f"{len(seen)} of them after {time.monotonic() - started:.1f} s of scrolling")  # noqa: T201
    lists = [urlsplit(each.url).query for each in watch.requests if urlsplit(each.url).path == "/v1/conversations"]
    assert "offset" not in "".join(lists)
    assert len(set(lists)) == len(lists), "no page is asked for twice"


@pytest.mark.parametrize("asked", ["Customer 54321", "1054321"])
def test_one_of_them_is_found(asked: str, crowd: None, opened: Opener) -> None:
    """By name, and by the end of the phone."""
    page = opened()
    page.locator(hook("inbox-row")).first.wait_for()
    page.fill(hook("search"), asked)
    expect(page.locator(hook("inbox-row")).first).to_contain_text("Customer 54321")


def test_somebody_new_comes_to_the_top(crowd: None, desk: Desk, opened: Opener) -> None:
    page = opened()
    page.locator(hook("inbox-row")).first.wait_for()
    conversation = desk.customer("twilio", "Nueva").writes("Acabo de llegar")
    expect(page.locator(hook("inbox-row")).first).to_have_attribute("data-id", conversation)
