"""The stories that the console is made for, from the customer's first message to the template behind a shut window."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.desk import Desk
from tests.console.watching import Opener, Watch, hook

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
PROVIDERS = ("kommo", "meta", "twilio")
ALMOST_A_DAY = 23 * 3600 + 55 * 60
LAST = {"kommo": "sent", "meta": "read", "twilio": "read"}


def row(page: Page, conversation: str) -> str:
    return hook("inbox-row", id=conversation)


def answer(page: Page, text: str) -> None:
    page.fill(hook("composer"), text)
    page.click(hook("send"))


def test_the_newcomer(desk: Desk, opened: Opener) -> None:
    """A message arrives by itself, is answered, its ticks turn, the window runs out and shuts, a template goes."""
    page = opened()
    customer = desk.customer("meta", "Nora")
    expect(page.locator(hook("inbox-row")).first).to_be_visible()
    conversation = customer.writes("¿Sigue en pie lo de mañana?")
    told = time.monotonic()
    page.locator(row(page, conversation)).wait_for()
    print(f"a message was in the list {time.monotonic() - told:.2f} s after its webhook was answered")  # noqa: T201
    page.click(row(page, conversation))
    expect(page.locator(hook("bubble", role="user"))).to_contain_text("¿Sigue en pie lo de mañana?")

    customer.writes("Sería a las 10")
    page.locator(hook("bubble", role="user")).nth(1).wait_for()

    answer(page, "Sí, Nora: a las 10 en la tienda.")
    ours = page.locator(hook("bubble")).filter(has_text="a las 10 en la tienda").last
    expect(ours).to_have_attribute("data-status", "read")
    expect(ours.locator(hook("tick"))).to_be_visible()
    expect(page.locator(hook("composer"))).to_have_value("")

    desk.plays("clock", {"seconds": ALMOST_A_DAY})
    left = page.locator(row(page, conversation)).locator(hook("window-left"))
    expect(left).to_contain_text(re.compile(r"\b[0-5] ?m"))
    desk.plays("clock", {"seconds": 600})
    page.locator(hook("template-picker")).wait_for()
    expect(page.locator(hook("composer"))).to_have_count(0)

    page.locator(hook("template-option")).first.click()
    expect(page.locator(hook("template-preview"))).to_be_visible()
    for field in page.locator(hook("template-parameter")).all():
        field.fill("mañana")
    page.click(hook("template-send"))
    sent = page.locator(hook("bubble", type="template"))
    expect(sent).to_have_attribute("data-status", "read")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_writes_and_is_answered(provider: str, desk: Desk, opened: Opener) -> None:
    customer = desk.customer(provider, f"Rita {provider}")
    conversation = customer.writes("¿Hay alguien?")
    page = opened(f"#/c/{conversation}")
    expect(page.locator(hook("bubble", role="user"))).to_contain_text("¿Hay alguien?")
    answer(page, "Aquí estamos.")
    ours = page.locator(hook("bubble")).filter(has_text="Aquí estamos.").last
    expect(ours).to_have_attribute("data-status", LAST[provider])


STATES: dict[str, tuple[str, dict[str, Any] | None, str, str | None]] = {
    # what the customer's provider does: the status that the console shows, and what can be done about it
    "refuses it": ("twilio", {"mode": "http_400"}, "failed", "do-retry"),
    "says the window is shut": ("meta", {"mode": "error_code", "code": 131047}, "failed", None),
    "takes it and the answer is lost": ("twilio", {"mode": "accept_then_drop", "statuses": False}, "uncertain", None),
    "never says what became of it": ("meta", {"mode": "lose_statuses"}, "sending", None),
    "has no more to say": ("kommo", None, "sent", None),
    "tells it twice": ("twilio", {"mode": "double_statuses"}, "read", None),
}


@pytest.mark.parametrize("what", STATES)
def test_each_state_shows_as_it_is(what: str, desk: Desk, opened: Opener) -> None:
    provider, fault, status, remedy = STATES[what]
    customer = desk.customer(provider, "Sofía")
    conversation = customer.writes("¿Llegó?")
    if fault is not None:
        desk.fault(provider, to=customer.address, **fault)
    page = opened(f"#/c/{conversation}")
    answer(page, "Llegó ayer.")
    ours = page.locator(hook("bubble")).filter(has_text="Llegó ayer.").last
    expect(ours).to_have_attribute("data-status", status)
    expect(ours.locator(hook("tick"))).to_be_visible()
    if status in ("failed", "uncertain"):
        trouble = ours.locator(hook("trouble"))
        expect(trouble).to_be_visible()
        assert len(trouble.inner_text()) > 20, "it says why in words"
    if remedy == "do-retry":
        ours.locator(hook(remedy)).click()
        expect(page.locator(hook("bubble", role="assistant", status="read")).first).to_be_visible()


def test_what_waits_can_be_stopped(desk: Desk, opened: Opener) -> None:
    """A message that is sent later, and one that waits for the window."""
    customer = desk.customer("meta", "Tomás")
    conversation = customer.writes("Mañana te digo")
    desk.plays("clock", {"seconds": 25 * 3600})
    body = {"conversation_id": conversation, "type": "text", "text": {"body": "Esperamos."}, "if_window_closed": "hold"}
    desk.post("/v1/messages", body)
    page = opened(f"#/c/{conversation}")
    ours = page.locator(hook("bubble")).filter(has_text="Esperamos.")
    expect(ours).to_have_attribute("data-status", "held")
    expect(ours.locator(hook("trouble"))).to_be_visible()
    ours.locator(hook("do-cancel")).click()
    expect(ours).to_have_attribute("data-status", "cancelled")


def test_a_refused_message_keeps_its_text(desk: Desk, opened: Opener) -> None:
    """Somebody opted out in the meantime."""
    customer = desk.customer("meta", "Úrsula")
    conversation = customer.writes("¿Precio?")
    page = opened(f"#/c/{conversation}")
    page.fill(hook("composer"), "Ofertas de esta semana")
    page.route("**/v1/messages", lambda route: route.fulfill(status=409, json=REFUSAL, content_type=PROBLEM))
    page.click(hook("send"))
    expect(page.locator(hook("refusal"))).to_be_visible()
    expect(page.locator(hook("composer"))).to_have_value("Ofertas de esta semana")
    expect(page.locator(hook("composer"))).to_be_focused()


def test_what_is_being_sent_is_shown_once(desk: Desk, opened: Opener) -> None:
    """The changes tell of a message before the answer to its request is there."""
    customer = desk.customer("meta", "Vera")
    conversation = customer.writes("¿Abrís hoy?")
    page = opened(f"#/c/{conversation}")
    most: list[int] = []

    def late(route: Route) -> None:
        response = route.fetch()
        told = page.expect_response(lambda each: "/v1/changes" in each.url and "Hasta las 20" in each.text())
        with told:
            pass
        most.append(page.locator(hook("bubble")).filter(has_text="Hasta las 20").count())
        route.fulfill(response=response)

    page.route("**/v1/messages", late)
    answer(page, "Hasta las 20 h.")
    ours = page.locator(hook("bubble")).filter(has_text="Hasta las 20")
    expect(ours).to_have_attribute("data-status", "read")
    expect(ours).to_have_count(1)
    assert most == [1]


def test_a_list_that_was_never_loaded_says_so_whatever_changes(desk: Desk, opened: Opener, watch: Watch) -> None:
    watch.forgives.append("status of 503")
    page = opened(token=None)
    page.evaluate("token => sessionStorage.setItem('ventana.token', token)", desk.runtime["api_token"])
    page.route("**/v1/conversations?**", lambda route: route.fulfill(status=503, json={}, content_type=PROBLEM))
    page.reload()
    page.locator(hook("try-again")).wait_for()
    customer = desk.customer("meta", "Wanda")
    with page.expect_response(lambda each: "/v1/changes" in each.url and "Wanda" in each.text()):
        conversation = customer.writes("Hola")
    expect(page.locator(hook("try-again"))).to_be_visible()
    page.unroute("**/v1/conversations?**")
    page.click(hook("try-again"))
    expect(page.locator(row(page, conversation))).to_be_visible()


PROBLEM = "application/problem+json"
REFUSAL = {"type": "about:blank", "title": "The customer wants no messages", "status": 409, "code": "opted_out"}


def test_a_lead_escalates_assigns_tags_notes_and_resolves(desk: Desk, opened: Opener) -> None:
    """Each shows at once, stands between the messages, and has its doer in the history."""
    conversation = desk.customer("kommo", "Víctor").writes("Esto es una vergüenza")
    page = opened(f"#/c/{conversation}")
    page.click(hook("escalate"))
    page.fill(hook("escalate-reason"), "Quiere hablar con un responsable")
    page.click(hook("dialog-submit"))
    expect(page.locator(hook("status"))).to_have_class(re.compile("escalated"))
    page.click(hook("assign"))
    page.click(hook("assign-me"))
    expect(page.locator(hook("owner"))).to_contain_text("local-operator")
    page.fill(hook("tag-input"), "queja")
    page.press(hook("tag-input"), "Enter")
    expect(page.locator(hook("tag"))).to_contain_text("queja")
    page.click(hook("tab-note"))
    page.fill(hook("note-input"), "Le llamo a las cinco")
    page.click(hook("note-send"))
    expect(page.locator(hook("note"))).to_contain_text("Le llamo a las cinco")
    page.click(hook("resolve"))
    expect(page.locator(hook("status"))).to_have_class(re.compile("resolved"))
    history = desk.get(f"/v1/conversations/{conversation}/history")["history"]
    assert {entry["changed_by"] for entry in history} == {"local-operator"}
    assert len(history) >= 5


def test_a_reader_looks_and_changes_nothing(desk: Desk, opened: Opener) -> None:
    conversation = desk.customer("meta", "Wanda").writes("¿Me lee alguien?")
    page = opened(f"#/c/{conversation}", token=desk.runtime["reader_token"])
    expect(page.locator(hook("bubble", role="user"))).to_contain_text("¿Me lee alguien?")
    expect(page.locator(hook("read-only"))).to_be_visible()
    for name in ("composer", "send", "escalate", "assign", "resolve", "tag-input", "note-input"):
        expect(page.locator(hook(name))).to_have_count(0)
    assert desk.get(f"/v1/conversations/{conversation}/history")["history"] == []


def test_offline_says_so_and_comes_back(desk: Desk, opened: Opener, watch: Watch) -> None:
    watch.forgives.append("net::ERR_INTERNET_DISCONNECTED")
    customer = desk.customer("meta", "Ximena")
    conversation = customer.writes("Hola")
    page = opened(f"#/c/{conversation}")
    expect(page.locator(hook("bubble"))).to_have_count(1)
    page.fill(hook("composer"), "Un momento")
    page.context.set_offline(True)
    expect(page.locator(hook("banner-offline"))).to_be_visible()
    customer.writes("¿Sigues ahí?")
    page.context.set_offline(False)
    expect(page.locator(hook("banner-offline"))).to_have_count(0)
    expect(page.locator(hook("bubble", role="user"))).to_have_count(2)
    expect(page.locator(hook("composer"))).to_have_value("Un momento")


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_gateway_that_fails_is_told_and_asked_again(status: int, desk: Desk, opened: Opener, watch: Watch) -> None:
    watch.forgives.append(f"status of {status}")
    desk.customer("meta", "Yago").writes("Hola")
    page = opened(token=None)
    page.evaluate("token => sessionStorage.setItem('ventana.token', token)", desk.runtime["api_token"])
    page.route("**/v1/**", lambda route: route.fulfill(status=status, json={}, content_type=PROBLEM))
    page.reload()
    expect(page.locator(hook("try-again")).or_(page.locator(hook("banner-offline"))).first).to_be_visible()
    page.unroute("**/v1/**")
    if page.locator(hook("try-again")).count():
        page.click(hook("try-again"))
    expect(page.locator(hook("inbox-row")).first).to_be_visible()


def test_who_is_not_known_any_more_signs_in_and_is_back(desk: Desk, opened: Opener) -> None:
    conversation = desk.customer("meta", "Zoé").writes("Hola")
    page = opened(f"#/c/{conversation}", token="of-yesterday")
    page.locator(hook("sign-in")).wait_for()
    page.fill(hook("sign-in-token"), desk.runtime["api_token"])
    page.click(hook("sign-in-go"))
    expect(page.locator(hook("bubble", role="user"))).to_contain_text("Hola")


def test_a_newcomer_plays_the_customer(opened: Opener) -> None:
    """Writes, lets the provider misbehave once, and moves the clock, all of it in the console."""
    page = opened("#/playground")
    page.select_option(hook("pg-provider"), "twilio")
    page.fill(hook("pg-from"), "+5215512340001")
    page.press(hook("pg-from"), "Tab")
    page.fill(hook("pg-name"), "Quique")
    page.fill(hook("pg-text"), "¿Abren el domingo?")
    page.click(hook("pg-send"))
    expect(page.locator(hook("pg-told"))).not_to_be_empty()
    page.select_option(hook("pg-fault"), "http_400")
    expect(page.locator(".pg-active").first).to_contain_text("400")
    page.click(hook("pg-open"))
    expect(page.locator(hook("bubble", role="user"))).to_contain_text("¿Abren el domingo?")
    answer(page, "Sí, de 10 a 14.")
    ours = page.locator(hook("bubble")).filter(has_text="de 10 a 14").last
    expect(ours).to_have_attribute("data-status", "failed")
    conversation = page.url.rpartition("/")[2]
    page.click(hook("nav-playground"))
    page.click(hook("pg-clock-forward"))
    expect(page.locator(hook("pg-ahead"))).to_be_visible()
    page.click(hook("nav-inbox"))
    left = page.locator(row(page, conversation)).locator(hook("window-left"))
    expect(left).to_contain_text(re.compile(r"\b[0-5] ?m"))


def test_a_lead_sees_the_numbers_and_replays_what_was_not_understood(desk: Desk, opened: Opener) -> None:
    order = {"provider": "kommo", "from": "+34699111222", "payload": {"id": ""}}
    desk.system.simulators.call("POST", "/customer", order)
    (parked, *_) = desk.get("/v1/parked")["parked"]
    page = opened("#/overview")
    for reach in ("7d", "30d", "24h"):
        page.click(hook(f"range-{reach}"))
        expect(page.locator(hook("overview"))).to_have_attribute("data-range", reach)
    expect(page.locator(hook("last-sweep"))).to_be_visible()
    item = page.locator(hook("parked-row", id=str(parked["id"])))
    item.locator(hook("replay")).click()
    expect(page.get_by_role("alert").or_(page.locator(hook("said"))).first).not_to_be_empty()
