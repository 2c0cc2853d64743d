"""Who looks at the console how: by keyboard, on a phone, in three languages, with a screen reader, at hostile words."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console.desk import Desk
from tests.console.watching import PHONE, Opener, Watch, hook
from tests.local.running import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js").read_text()
VIEWS = {"inbox": "", "conversation": "#/c/{}", "overview": "#/overview", "playground": "#/playground"}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIRST_VIEW_BYTES = 100_000
LANGUAGES = {
    "en": ("en-GB", "Overview"),
    "es": ("es-MX", "Resumen|Panorama"),
    "pt": ("pt-BR", "Visão geral|Resumo|Panorama"),
}
TEXTS = ROOT / "functions" / "api" / "console" / "texts" / "en.js"
KEYS = re.findall(r'^\s*"([a-z_]+\.[a-z_.]+)":', TEXTS.read_text(), flags=re.MULTILINE)
THEMES: tuple[Any, ...] = ("light", "dark")


def shown(page: Page, view: str) -> None:
    """Wait until the view has what it shows."""
    wanted = {"inbox": "inbox-row", "conversation": "bubble"}.get(view, view)
    page.locator(hook(wanted)).first.wait_for()
    page.wait_for_load_state("networkidle") if view == "overview" else None
    page.locator(".bone, .spinner").first.wait_for(state="hidden")


@pytest.fixture
def conversation(desk: Desk) -> str:
    """One with a little of everything in it."""
    customer = desk.customer("meta", "Ana María Íñiguez")
    found = customer.writes("¿Tienen este sofá? https://tienda.example/sofa?id=7")
    customer.writes("Así", kind="image")
    customer.writes("Aquí", kind="location", latitude=19.4326, longitude=-99.1332)
    desk.post("/v1/messages", {"conversation_id": found, "type": "text", "text": {"body": "Sí, en azul y en verde."}})
    desk.post(f"/v1/conversations/{found}/notes", {"body": "Cliente de hace años"})
    return found


@pytest.mark.parametrize(("view", "theme"), list(product(VIEWS, THEMES)))
def test_axe_finds_nothing(view: str, theme: Any, conversation: str, opened: Opener) -> None:
    page = opened(VIEWS[view].format(conversation), color_scheme=theme, bypass_csp=True)
    shown(page, view)
    page.evaluate(AXE)
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
    )
    wrong = [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found["violations"]]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_it_without_scrolling_sideways(view: str, conversation: str, opened: Opener) -> None:
    page = opened(VIEWS[view].format(conversation), viewport=PHONE, has_touch=True, is_mobile=True)
    shown(page, view)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], f"{view} is {wide} wide"
    cut = page.evaluate(
        """() => [...document.querySelectorAll('main button, main a, main input, main textarea, main select')]
            .filter(each => each.checkVisibility() && each.getBoundingClientRect().width)
            .filter(each => !each.closest('.unseen, .skip, [hidden]'))
            .filter(each => { const box = each.getBoundingClientRect();
                              return box.right > innerWidth + 1 && !scrolls(each); })
            .map(each => each.outerHTML.slice(0, 120));
           function scrolls(each) { for (let up = each.parentElement; up; up = up.parentElement)
               if (/auto|scroll/.test(getComputedStyle(up).overflowX)) return true; return false; }"""
    )
    assert cut == []


def test_a_phone_goes_from_the_list_to_a_conversation_and_back(conversation: str, opened: Opener) -> None:
    page = opened(viewport=PHONE, has_touch=True, is_mobile=True)
    page.locator(hook("inbox-row", id=conversation)).tap()
    expect(page.locator(hook("composer"))).to_be_visible()
    expect(page.locator(hook("inbox-row")).first).to_be_hidden()
    page.go_back()
    expect(page.locator(hook("inbox-row")).first).to_be_visible()


def test_everything_can_be_done_by_keyboard(desk: Desk, opened: Opener) -> None:
    """From the list into a conversation, an answer, a look for another one, and back."""
    desk.customer("meta", "Primera").writes("Uno con paraguas")
    desk.customer("meta", "Segunda").writes("Otra con paraguas")
    page = opened()
    shown(page, "inbox")
    first = page.locator(hook("inbox-row")).first.get_attribute("data-id") or ""
    page.keyboard.press("j")
    expect(page.locator(hook("inbox-row")).first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(hook("inbox-row")).nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator(hook("bubble", role="user")).first).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator(hook("composer"))).to_be_focused()
    page.keyboard.type("Enseguida, jk/r?")
    page.keyboard.press("Enter")
    expect(page.locator(hook("bubble")).filter(has_text="Enseguida, jk/r?").last).to_have_attribute(
        "data-status", "read"
    )
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(hook("inbox-row", id=first))).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator(hook("search"))).to_be_focused()
    page.keyboard.type("paraguas")
    expect(page.locator(hook("inbox-row"))).to_have_count(2)
    expect(page.locator(hook("inbox-row", id=first))).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


FOCUS = """async () => {
  const on = document.activeElement;
  if (!on || on === document.body) return null;
  const near = []; for (let each = on; each && near.length < 4; each = each.parentElement) near.push(each);
  const looks = () => near.concat(on.nextElementSibling || []).map(each => { const style = getComputedStyle(each);
    return [style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.clip].join(); }).join();
  const moment = () => new Promise(done => setTimeout(done, 30));  // a colour is not there at once
  await moment();
  const focused = looks();
  on.blur();
  await moment();
  return focused === looks() ? on.outerHTML.slice(0, 120) : null; }"""
"""What has the focus and looks as it does without; the next Tab goes on from there."""


def test_every_focus_is_seen(conversation: str, opened: Opener) -> None:
    page = opened(f"#/c/{conversation}", reduced_motion="reduce")
    shown(page, "conversation")
    page.locator(f"{hook('bubble', type='image')} img").wait_for()
    unseen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUS)
        unseen += [found] if found else []
    assert unseen == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_speaks_the_languages_of_its_browsers(language: str, conversation: str, opened: Opener) -> None:
    locale, overview = LANGUAGES[language]
    page = opened(locale=locale)
    shown(page, "inbox")
    expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))
    expect(page.locator(hook("nav-overview"))).to_have_text(re.compile(overview))
    for other in (*(each for each in LANGUAGES if each != language), language):
        page.select_option(hook("language"), other)
        expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{other}"))
    for view in VIEWS.values():
        page.goto(page.url.partition("#")[0] + view.format(conversation))
        text = page.locator("#app").inner_text()
        assert [key for key in KEYS if key in text] == [], "the name of a text instead of the text"


HOSTILE = {
    "markup": "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><b>fett</b>",
    "turned": "Factura \u202egnp.exe\u202c y \u2066más\u2069",
    "hidden": "s\u200ba\u200bl\u200bd\u200bo\ufeff\u2060",
    "emoji": "👩\u200d👩\u200d👧\u200d👦" * 2_500,
    "tower": "Z" + "\u0300\u0301\u0302" * 300,
    "link": "javascript:alert(1) data:text/html,<script>1</script> https://tienda.example/a\u202eb",
    "one_word": "w" * 4_000,
    "template": "${state.me} {{constructor.constructor('return 1')()}} &lt;b&gt;",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_message_does_no_harm(kind: str, desk: Desk, opened: Opener) -> None:
    text = HOSTILE[kind]
    customer = desk.customer("meta", f"{text[:40]}")
    conversation = customer.writes(text)
    page = opened(f"#/c/{conversation}", viewport=PHONE)
    bubble = page.locator(hook("bubble", role="user"))
    expect(bubble).to_be_visible()
    expect(bubble.locator("script, img, b, iframe, object, style")).to_have_count(0)
    assert page.title() != "owned"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    tall = bubble.bounding_box()
    assert tall is not None
    assert tall["height"] < 20 * PHONE["height"]
    raw = bubble.evaluate("each => each.textContent")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]", raw), (
        "what cannot be seen is shown, or left out"
    )
    for link in bubble.locator("a").all():
        assert re.match(r"https?://", link.get_attribute("href") or "")
        assert {"noopener", "noreferrer"} <= set((link.get_attribute("rel") or "").split())
        assert link.get_attribute("target") == "_blank"
    page.goto(page.url.partition("#")[0])
    shown(page, "inbox")
    assert page.title() != "owned"
    box = page.locator(hook("inbox-row", id=conversation)).bounding_box()
    assert box is not None
    assert box["height"] < 140


def test_a_picture_is_shown_from_a_signed_link(conversation: str, opened: Opener) -> None:
    page = opened(f"#/c/{conversation}")
    picture = page.locator(hook("bubble", type="image")).locator("img")
    picture.wait_for()
    page.wait_for_function("each => each.complete && each.naturalWidth === 240", arg=picture.element_handle())


def test_the_first_view_is_small_and_asks_nobody_else(conversation: str, opened: Opener, watch: Watch) -> None:
    page = opened(token=None)
    page.evaluate("token => sessionStorage.setItem('ventana.token', token)", watch.system.runtime["api_token"])  # type: ignore[union-attr]
    watch.requests.clear()
    page.goto("about:blank")
    page.goto(f"{watch.origin}/console/")
    shown(page, "inbox")
    asked = [request for request in watch.requests if "/console/" in request.url]
    # What the former page had asked for may be given up as it goes: an icon.
    answered = [(request, response) for request in asked if (response := request.response())]
    files = [request for request, _ in answered]
    sizes = {request.url.rpartition("/console/")[2]: request.sizes() for request in files}
    total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes.values())
    print(f"\nthe first view: {len(watch.requests)} requests, {total:,} bytes of {len(files)} files")  # noqa: T201
    assert all(response.ok for _, response in answered)
    assert total < FIRST_VIEW_BYTES
    repeated = {name: count for name, count in Counter(request.url for request in files).items() if count > 1}
    assert not repeated
