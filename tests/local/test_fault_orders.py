"""A fault hits whom it is meant for, as often as it should; what was taken all the same is reported and listed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.local.world import CUSTOMER, PROVIDERS, World, form, value

GONE = (RemoteDisconnected, ConnectionError)
OTHER = "+5215500000002"
TAKEN = {"kommo": 202, "meta": 200, "twilio": 201}


def to(provider: str, phone: str) -> dict[str, Any]:
    """What sends to this customer; to Kommo, a phone is as good as a talk."""
    names = {"meta": {"to": phone[1:]}, "twilio": {"To": f"whatsapp:{phone}"}, "kommo": {"talk": phone[1:]}}
    return names[provider]


def sent_to(world: World, provider: str, phone: str) -> int:
    return world.send(provider, **to(provider, phone))[0]


def listed(world: World, provider: str) -> list[dict[str, Any]]:
    """What the provider says that it took, newest first."""
    account = world.identity.twilio_account_sid
    paths = {"twilio": f"/2010-04-01/Accounts/{account}/Messages.json", "kommo": "/api/v4/talks/4711/messages"}
    status, answer = world.ask(provider, paths[provider])
    assert status in (200, 204)
    return list((answer or {}).get("messages") or (answer or {}).get("_embedded", {}).get("messages", []))


def reported(world: World, provider: str, count: int) -> Sequence[str]:
    """The statuses that came, in order."""
    told = world.gateway.wait_for(count)
    if provider == "meta":
        return [value(each)["statuses"][0]["status"] for each in told]
    return [form(each)["MessageStatus"] for each in told]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_nth_call_goes_wrong_until_that_is_taken_back(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="http_500", every=3)
    answers = [world.send(provider)[0] for _ in range(4)]
    assert [n for n, status in enumerate(answers, 1) if status == 500] == [3]
    world.order("/fault", provider=provider, count=0)
    assert [world.send(provider)[0] for _ in range(3)] == [TAKEN[provider]] * 3


def test_every_nth_call_goes_wrong_so_many_times(world: World) -> None:
    world.order("/fault", provider="twilio", mode="http_429", every=2, count=2)
    answers = [world.send("twilio")[0] for _ in range(8)]
    assert [n for n, status in enumerate(answers, 1) if status == 429] == [2, 4]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_fault_may_be_for_one_customer(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="http_500", to=OTHER, count=2)
    assert sent_to(world, provider, CUSTOMER) == TAKEN[provider]
    assert [sent_to(world, provider, OTHER) for _ in range(3)] == [500, 500, TAKEN[provider]]


def test_a_fault_may_be_for_one_address(world: World) -> None:
    world.wrote("twilio", address="+14155550100")
    world.order("/fault", provider="twilio", mode="http_500", every=1, **{"from": "+14155550100"})
    assert world.send("twilio")[0] == 201
    assert world.send("twilio", From="whatsapp:+14155550100")[0] == 500


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_error_may_come_after_the_message_was_taken(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="http_500", taken=True)
    assert world.send(provider)[0] == 500
    (entry,) = world.sent()
    assert (entry["fault"], entry["dropped"]) == ("http_500", False)
    if provider != "kommo":
        assert list(reported(world, provider, 3)) == ["sent", "delivered", "read"]
    if provider != "meta":
        assert [message.get("sid", message.get("id")) for message in listed(world, provider)] == [entry["id"]]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_may_be_held_although_the_message_was_taken(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="hang", taken=True, seconds=0.3)
    started = time.time()
    assert world.send(provider)[0] == TAKEN[provider]
    assert time.time() - started >= 0.3
    (entry,) = world.sent()
    assert entry["at"] - started < 0.3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_may_break_off_before_anything_is_taken(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="refuse")
    with pytest.raises(ConnectionResetError):
        world.send(provider)
    assert world.sent() == []
    assert world.send(provider)[0] < 300


def test_nobody_may_be_reached_for_a_while(world: World) -> None:
    assert world.order("/fault", mode="away", seconds=0.5)[1] == {"mode": "away", "seconds": 0.5}
    time.sleep(0.3)
    with pytest.raises(ConnectionRefusedError):
        world.send("meta")
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        try:
            assert world.send("meta")[0] == 200
            return
        except GONE:
            time.sleep(0.05)
    raise AssertionError("it never came back")


@pytest.mark.parametrize("provider", ["kommo", "twilio"])
def test_what_was_taken_without_an_answer_and_without_a_status_is_listed(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="accept_then_drop", statuses=False)
    with pytest.raises(GONE):
        world.send(provider, "perdido")
    (entry,) = world.sent()
    assert entry["dropped"] is True
    (message,) = listed(world, provider)
    assert (message.get("sid", message.get("id")), message.get("body", message.get("text"))) == (entry["id"], "perdido")
    assert message.get("direction", message.get("type")) in ("outbound-api", "outgoing")
    time.sleep(0.2)
    assert world.gateway.seen == []


def test_lists_tell_what_became_of_a_message(world: World) -> None:
    world.send("twilio", "uno")
    world.order("/fault", provider="twilio", mode="error_code", code=63024, when="status")
    world.send("twilio", "dos")
    dos, uno = listed(world, "twilio")
    assert (uno["status"], uno["error_code"], dos["status"], dos["error_code"]) == ("read", None, "failed", 63024)
    world.wrote("kommo", payload={"talk_id": "4711"})
    world.send("kommo", "tres")
    tres, hola = listed(world, "kommo")
    assert (tres["type"], tres["delivery_status"], tres["author"]["type"]) == ("outgoing", 1, "bot")
    assert (hola["type"], hola["text"], hola["author"]["type"]) == ("incoming", "hola", "external")


def test_a_list_may_fail_as_well(world: World) -> None:
    path = f"/2010-04-01/Accounts/{world.identity.twilio_account_sid}/Messages.json?{urlencode({'To': 'x'})}"
    world.order("/fault", provider="twilio", mode="http_500", call="question")
    assert world.send("twilio")[0] == 201
    assert world.ask("twilio", path)[0] == 500
    assert world.ask("twilio", path)[0] == 200
    world.order("/fault", provider="twilio", mode="hang", call="question", seconds=0.1)
    with pytest.raises(GONE):
        world.ask("twilio", path)


def test_an_indication_may_fail_as_well(world: World) -> None:
    mark = {"status": "read", "message_id": "wamid.1"}
    world.order("/fault", provider="meta", mode="http_500", call="indication")
    assert world.send("meta")[0] == 200
    assert world.send("meta", **mark)[0] == 500
    assert world.record("indications") == []
    world.order("/fault", provider="meta", mode="accept_then_drop", call="indication")
    with pytest.raises(GONE):
        world.send("meta", **mark)
    assert len(world.record("indications")) == 1


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_statuses_may_come_twice_and_backwards(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="double_statuses")
    world.order("/fault", provider=provider, mode="shuffle_statuses")
    world.send(provider)
    assert list(reported(world, provider, 6)) == ["read", "read", "delivered", "delivered", "sent", "sent"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_statuses_may_be_lost(world: World, provider: str) -> None:
    world.order("/customer", provider="kommo", payload={"talk_id": "4711"}, **{"from": CUSTOMER})
    world.order("/fault", provider=provider, mode="lose_statuses", every=2)
    for text in ("uno", "dos"):
        world.send(provider, text)
    expected = 1 + (1 if provider == "kommo" else 3)
    world.gateway.wait_for(expected)
    time.sleep(0.2)
    assert len(world.gateway.seen) == expected
    assert b"dos" not in b"".join(each.body for each in world.gateway.seen)


def test_statuses_may_be_late(world: World) -> None:
    world.order("/fault", provider="meta", mode="delay_statuses", seconds=0.4, to=CUSTOMER)
    started = time.monotonic()
    world.send("meta")
    world.send("meta", to=OTHER.removeprefix("+"))
    told = [value(each)["statuses"][0]["recipient_id"] for each in world.gateway.wait_for(6)]
    assert told == [OTHER.removeprefix("+")] * 3 + [CUSTOMER.removeprefix("+")] * 3
    assert time.monotonic() - started >= 0.4


def test_a_message_outside_the_window_that_went_wrong_is_listed_all_the_same(world: World) -> None:
    world.order("/rules", provider="meta", window="status")
    world.order("/fault", provider="meta", mode="http_500")
    assert world.send("meta")[0] == 500
    world.order("/fault", provider="meta", mode="accept_then_drop")
    with pytest.raises(GONE):
        world.send("meta")
    assert [entry["rule"] for entry in world.violations()] == ["window"] * 2
    assert list(reported(world, "meta", 1)) == ["failed"]
