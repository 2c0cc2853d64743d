"""Simulated providers keep to the 24-hour window, to their rates and to STOP, and list who does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from infra.local.http_server import Request
from infra.local.simulators.contract import Heard
from infra.local.simulators.rates import PairRate, SecondRate
from infra.local.simulators.windows import Windows
from tests.local.customers import Customers
from tests.local.world import CUSTOMER, PROVIDERS, World, form, value

DAY = 24 * 3600
TEMPLATE = {"type": "template", "template": {"name": "hi", "language": {"code": "es"}}}
AS_TEMPLATE: dict[str, dict[str, Any]] = {"meta": TEMPLATE, "twilio": {"Body": "", "ContentSid": f"HX{7:032x}"}}
OUTSIDE = {"meta": 131047, "twilio": 63016}


@pytest.fixture(autouse=True)
def rules(world: World) -> None:
    world.order("/rules", reset=True)


def code_of(answer: dict[str, Any]) -> int:
    return int(answer.get("error", answer).get("code", answer.get("status")))


def failed(world: World, provider: str, count: int = 1) -> list[int]:
    """The error codes of the statuses that came."""
    told = world.gateway.wait_for(count)
    if provider == "twilio":
        assert {form(each)["MessageStatus"] for each in told} == {"failed"}
        return [int(form(each)["ErrorCode"]) for each in told]
    statuses = [value(each)["statuses"][0] for each in told]
    assert {status["status"] for status in statuses} == {"failed"}
    return [status["errors"][0]["code"] for status in statuses]


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_outside_the_window_free_text_is_taken_and_fails_later(world: World, provider: str) -> None:
    assert world.send(provider, "tarde")[0] < 300
    assert failed(world, provider) == [OUTSIDE[provider]]
    (entry,) = world.sent()
    assert entry["error_code"] == str(OUTSIDE[provider])
    (violation,) = world.violations()
    assert (violation["rule"], violation["text"], violation["refused"]) == ("window", "tarde", True)
    assert (violation["customer"], violation["message_id"], violation["kind"]) == (CUSTOMER, "7", "text")


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_outside_the_window_free_text_may_be_refused_at_once(world: World, provider: str) -> None:
    world.order("/rules", provider=provider, window="sync")
    status, answer = world.send(provider)
    assert (status, code_of(answer)) == (400, OUTSIDE[provider])
    assert world.sent() == []
    assert len(world.record("violations", rule="window", provider=provider)) == 1


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_a_customer_who_writes_opens_the_window(world: World, provider: str) -> None:
    world.wrote(provider)
    assert world.send(provider)[0] < 300
    assert world.sent()[0]["error_code"] is None
    assert world.violations() == []
    assert len(world.gateway.wait_for(3)) == 3


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_the_window_shuts_after_a_day(world: World, provider: str) -> None:
    world.order("/rules", provider=provider, window="sync")
    world.wrote(provider, age_seconds=DAY - 60)
    assert world.send(provider)[0] < 300
    world.wrote(provider, age_seconds=DAY + 10)  # older than what is known: changes nothing
    assert world.send(provider)[0] < 300
    world.order("/rules", provider=provider, window_seconds=DAY - 120)  # as if two minutes went by
    assert world.send(provider)[0] == 400
    world.wrote(provider)
    assert world.send(provider)[0] < 300


@pytest.mark.parametrize(("provider", "address"), [("meta", "999"), ("twilio", "+14155550100")])
def test_the_window_is_that_of_the_address_that_was_written_to(world: World, provider: str, address: str) -> None:
    world.order("/rules", provider=provider, window="sync")
    world.wrote(provider, address=address)
    other: dict[str, Any] = {"number": address} if provider == "meta" else {"From": f"whatsapp:{address}"}
    assert world.send(provider, **other)[0] < 300
    assert world.send(provider)[0] == 400
    (violation,) = world.violations()
    assert violation["address"] != address


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_templates_need_no_window(world: World, provider: str) -> None:
    assert world.send(provider, **AS_TEMPLATE[provider])[0] < 300
    assert (world.sent()[0]["kind"], world.sent()[0]["error_code"]) == ("template", None)
    assert world.violations() == []


@pytest.mark.parametrize("kind", ["reaction", "edit", "revoke", "system"])
def test_what_is_no_message_opens_no_window(world: World, kind: str) -> None:
    world.order("/rules", provider="meta", window="sync")
    world.wrote("meta", payload={"type": kind, kind: {}})
    assert world.send("meta")[0] == 400


def test_a_customer_is_known_by_all_names(world: World) -> None:
    world.order("/rules", provider="meta", window="sync")
    world.wrote("meta", payload={"from_user_id": "US.1349"})
    assert world.send("meta")[0] == 200
    assert world.send("meta", to=None, recipient="US.1349")[0] == 200
    assert world.send("meta", to=None, recipient="US.1350")[0] == 400


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whoever_signed_the_webhook_the_customer_wrote(world: World, provider: str) -> None:
    identity = world.identity.published()
    letter = Customers({"base_url": world.gateway.url, **identity}).letter(provider, "hola", 1)
    headers = tuple(letter.headers.items())
    world.simulators.saw(Request("POST", letter.path, "", headers, letter.body))
    to: dict[str, dict[str, Any]] = {
        "meta": {"to": "5215500000001"},
        "twilio": {"To": "whatsapp:+5215500000001"},
        "kommo": {"talk": 1},
    }
    assert world.send(provider, **to[provider])[0] < 300
    assert world.violations() == []


def test_a_webhook_that_nobody_can_read_is_nobodys(world: World) -> None:
    for path in ("/webhooks/meta", "/webhooks/twilio", "/webhooks/kommo/x", "/webhooks/twilio/status"):
        for body in (b"", b"{", b'{"entry": [{}]}', b"From=a&To=b", b"\xff"):
            world.simulators.saw(Request("POST", path, "", (), body))


def test_kommo_tells_nothing_of_windows_but_the_record_does(world: World) -> None:
    world.wrote("kommo", age_seconds=25 * 3600, payload={"talk_id": "99"})
    world.wrote("kommo", age_seconds=25 * 3600, payload={"talk_id": "98", "origin": "telegram"}, **{"from": "+34600"})
    for talk in ("99", "98", "4711"):  # of a talk that it does not know it knows no window
        assert world.send("kommo", talk=talk)[0] == 202
    (violation,) = world.violations()
    assert (violation["rule"], violation["refused"], violation["customer"]) == ("window", False, CUSTOMER)
    assert [entry["error_code"] for entry in world.sent()] == [None] * 3


def test_the_windows_length_can_be_told(world: World) -> None:
    world.order("/rules", provider="meta", window="sync", window_seconds=60)
    world.wrote("meta", age_seconds=61)
    assert world.send("meta")[0] == 400


def test_counting_only_refuses_nothing(world: World) -> None:
    world.order("/rules", provider="meta", window="count", pair_rate="count", pair_burst=1, per_second=1000)
    world.order("/rules", provider="twilio", window="off")
    for _ in range(2):
        assert world.send("meta")[0] == 200
    assert world.send("twilio")[0] == 201
    assert [entry["rule"] for entry in world.violations()] == ["window", "pair_rate", "window"]
    assert {entry["error_code"] for entry in world.sent()} == {None}


def test_meta_bears_some_messages_at_once_to_one_customer_and_then_refuses(world: World) -> None:
    world.wrote("meta")
    answers = [world.send("meta") for _ in range(12)]
    assert [status for status, _ in answers] == [200] * 10 + [400] * 2
    assert code_of(answers[-1][1]) == 131056
    assert world.send("meta", to="5215500000002", **TEMPLATE)[0] == 200
    assert [entry["rule"] for entry in world.violations()] == ["pair_rate"] * 2


@pytest.mark.parametrize(
    ("provider", "limit", "status", "code"),
    [("meta", 80, 429, 130429), ("twilio", 80, 429, 20429), ("kommo", 7, 429, 429)],
)
def test_an_address_may_send_so_much_in_a_second(
    world: World, provider: str, limit: int, status: int, code: int
) -> None:
    rules = world.call("GET", "/rules")[1]["rules"][provider]
    assert (rules["address_rate"], rules["per_second"]) == ("enforce", limit)
    world.order("/rules", provider=provider, per_second=7, window="off")
    answers = [world.send(provider) for _ in range(9)]
    assert [each[0] for each in answers[7:]] == [status] * 2
    assert code_of(answers[-1][1]) == code
    assert [entry["rule"] for entry in world.violations()] == ["address_rate"] * 2


def test_kommo_counts_questions_as_well(world: World) -> None:
    answers = [world.ask("kommo", "/api/v4/talks/4711/messages")[0] for _ in range(9)]
    assert answers == [204] * 7 + [429] * 2
    assert [entry["call"] for entry in world.violations()] == ["question"] * 2


def test_who_said_stop_can_be_set_to_refuse(world: World) -> None:
    for provider in ("meta", "twilio"):
        world.wrote(provider, "Stop ")
        assert world.send(provider)[0] < 300
    world.order("/rules", provider="meta", opt_out="sync")
    world.order("/rules", provider="twilio", opt_out="sync")
    assert code_of(world.send("twilio")[1]) == 21610
    assert code_of(world.send("twilio", **AS_TEMPLATE["twilio"])[1]) == 21610
    assert code_of(world.send("meta", **TEMPLATE)[1]) == 131050
    assert world.send("meta")[0] == 200  # Meta's is about marketing
    world.wrote("twilio", "start")
    assert world.send("twilio")[0] == 201
    world.order("/rules", provider="meta", opt_out="status")
    assert world.send("meta", **TEMPLATE)[0] == 200
    assert world.sent()[-1]["error_code"] == "131050"
    assert world.violations() == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "window_seconds"),
        ({"provider": "sms", "window": "off"}, "kommo, meta, twilio"),
        ({"window": "maybe"}, "status, sync, count, off"),
        ({"window": "sync"}, "kommo cannot refuse by its window"),
        ({"provider": "twilio", "pair_rate": "enforce"}, "twilio cannot refuse by its pair_rate"),
        ({"pair_burst": 0}, "pair_burst"),
        ({"window_seconds": "x"}, "window_seconds"),
        ({"windows": "off"}, "window_seconds"),
        ({"reset": "yes"}, "reset"),
    ],
)
def test_a_rule_that_cannot_be_switched_says_what_to_change(world: World, content: Any, says: str) -> None:
    status, answer = world.call("POST", "/rules", json.dumps(content).encode())
    assert (status, answer["code"]) == (400, "bad_request")
    assert says in answer["title"]


def test_rules_are_shown_and_put_back(world: World) -> None:
    changed = world.order("/rules", window="off", per_second=3)[1]["rules"]
    assert {(rules["window"], rules["per_second"]) for rules in changed.values()} == {("off", 3)}
    assert world.order("/rules", provider="meta", reset=True)[1]["rules"]["meta"]["per_second"] == 80
    assert world.order("/rules", reset=True)[1]["rules"]["twilio"]["window"] == "status"


def test_a_pair_gains_one_message_in_so_many_seconds() -> None:
    now = 100.0
    rate = PairRate(lambda: now)
    assert [rate.allows("a", 6, 3) for _ in range(4)] == [True, True, True, False]
    assert rate.allows("b", 6, 3)
    now += 6
    assert [rate.allows("a", 6, 3) for _ in range(2)] == [True, False]
    now += 1000
    assert [rate.allows("a", 6, 3) for _ in range(4)] == [True, True, True, False]


def test_no_second_has_more_than_it_may() -> None:
    now = 100.0
    rate = SecondRate(lambda: now)
    assert rate.allows("a", 2)
    now += 0.9
    assert rate.allows("a", 2)
    now += 0.05
    assert not rate.allows("a", 2)
    assert rate.allows("b", 2)
    now += 0.05
    assert [rate.allows("a", 2) for _ in range(2)] == [True, False]


def test_providers_remember_customers_when_the_gateway_starts_again(tmp_path: Path) -> None:
    memory, now = tmp_path / "customers.jsonl", time.time()
    windows = Windows(memory)
    for age, name in ((0.0, "+1"), (90_000.0, "+2"), (100.0, "+3")):
        windows.hear("meta", Heard((name,), "106", now - age, opens=True, text="hola"))
    windows.hear("meta", Heard(("+4",), "106", now, opens=False, text=""))
    with memory.open("a") as file:
        file.write('["meta", "106", ')  # cut off
    again = Windows(memory)
    assert [again.last("meta", [name], "106") is not None for name in ("+1", "+2", "+3", "+4")] == [
        True,
        False,
        True,
        False,
    ]
    assert len(memory.read_text().splitlines()) == 2


def test_a_clock_ahead_of_ours_lengthens_no_window() -> None:
    windows = Windows()
    windows.hear("meta", Heard(("+1",), "106", time.time() + 5000, opens=True, text="hola"))
    assert (windows.last("meta", ["1"], "106") or 0) <= time.time()
