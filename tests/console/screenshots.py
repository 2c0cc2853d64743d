"""Pictures of the console's views in both themes, for README: python -m tests.console.screenshots FOLDER

The customers, what they write and what we answer are always the same; only times are of today.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from tests.console.chromium import ARGUMENTS, chromium
from tests.console.desk import Desk
from tests.console.watching import Opener, Watch, hook
from tests.local.running import Running, remove, running

THEMES: tuple[Any, ...] = ("light", "dark")
WINDOW = {"width": 1060, "height": 700}
STATISTICS = """
insert into hourly_statistics (hour, provider, received, accepted, sent, delivered, read, failed)
select h, p, n * k / 10, n * k / 11, n * k / 11 - n / 9, n * k / 11 - n / 7, n * k / 13, n / 9
  from generate_series(0, 30) ago
 cross join (values ('kommo', 4), ('meta', 9), ('twilio', 6)) as of_provider (p, k)
 cross join lateral (select date_trunc('hour', now(), 'UTC') - ago * interval '1 hour' as h) at
 cross join lateral (select (40 + 34 * sin((extract(hour from h) - 9) / 24 * 2 * pi()))::integer as n) busy
on conflict (hour, provider) do nothing
"""
FAILURES = """
insert into hourly_failures (hour, provider, error_code, count)
select date_trunc('hour', now(), 'UTC') - interval '2 hours', p, code, n
  from (values ('meta', '131047', 17), ('meta', '131026', 6), ('twilio', '63016', 9)) f (p, code, n)
on conflict do nothing
"""
WRITERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("kommo", "Lucía Fernández", ("Hola, ¿hacen envíos a Canarias?", "¿Y cuánto tarda?")),
    ("twilio", "Mateo Rojas", ("El cargador que compré no funciona",)),
    ("meta", "Júlia Carvalho", ("Oi! Meu pedido 4711 já saiu?",)),
    ("twilio", "Chen Wei", ("Is the blue jacket still there in M?",)),
    ("kommo", "Omar Haddad", ("Quería cambiar la fecha de la cita",)),
)
AGES = (20 * 3600, 3 * 3600, 3300)
"""Seconds between those who write, so that their windows differ."""


def stage(desk: Desk) -> str:
    """Let them write, and have counted what a day holds; the conversation to be shown."""
    for (provider, name, texts), age in zip(WRITERS, (*AGES, 0, 0), strict=True):
        customer = desk.customer(provider, name)
        for text in texts:
            customer.writes(text)
            time.sleep(1)  # providers tell whole seconds
        if age:
            desk.plays("clock", {"seconds": age})
    shown = desk.customer("meta", "Valentina Ruiz")
    conversation = shown.writes("¡Hola! ¿Tienen este modelo en otro color?")
    time.sleep(1)
    shown.writes("Es este", kind="image")
    time.sleep(1)
    answer = "¡Hola, Valentina! Lo tenemos en azul y en verde. ¿Te aparto uno?"
    desk.post("/v1/messages", {"conversation_id": conversation, "type": "text", "text": {"body": answer}})
    time.sleep(1)
    shown.writes("El verde, por favor. Paso por la tienda esta tarde")
    desk.post(f"/v1/conversations/{conversation}/tags", {"add": ["reserva", "tienda"]})
    desk.post(f"/v1/conversations/{conversation}/notes", {"body": "Apartado hasta las 20 h, a nombre de Valentina."})
    desk.post(f"/v1/conversations/{conversation}/assign", {"assignee": "local-operator"})
    with psycopg.connect(desk.runtime["dsn"]) as database:
        database.execute(STATISTICS)
        database.execute(FAILURES)
    return conversation


def pictures(browser: Browser, system: Running, folder: Path) -> None:
    """Write `<view>-<theme>.png`."""
    conversation = stage(Desk(system))
    views = {"inbox": "", "conversation": f"#/c/{conversation}", "overview": "#/overview", "playground": "#/playground"}
    opener = Opener(browser, Watch(system.runtime["base_url"], system))
    for theme in THEMES:
        for view, place in views.items():
            page = opener(place, color_scheme=theme, viewport=WINDOW, reduced_motion="reduce")
            settled(page, view)
            page.screenshot(path=folder / f"{view}-{theme}.png", animations="disabled", caret="hide")
    opener.close()


def settled(page: Page, view: str) -> None:
    """Wait until the view shows what it has, pictures included."""
    page.locator(hook({"inbox": "inbox-row", "conversation": "bubble"}.get(view, view))).first.wait_for()
    page.locator(".bone, .spinner").first.wait_for(state="hidden")
    page.wait_for_function("[...document.images].every(each => each.complete)")
    if view == "conversation":
        page.locator(f"{hook('bubble', type='image')} img").wait_for()
    page.wait_for_timeout(500)


def main(folder: Path) -> None:
    """Take all of them on a system of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="ventana-screenshots-")) / "state"
    with running(state) as system, sync_playwright() as playwright:
        system.wait_for("Look at it in the console")
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=ARGUMENTS)
        pictures(browser, system, folder)
        browser.close()
    remove(state)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
