"""Simulated providers misbehave on demand, and say what to change where a demand cannot be met."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import RemoteDisconnected
from typing import Any

import pytest

from infra.local.functions import Function
from infra.local.identity import Identity
from tests.local.conftest import MakeFunction
from tests.local.world import CUSTOMER, PROVIDERS, World, form, value


@pytest.mark.parametrize(
    ("provider", "fault", "status", "code"),
    [
        ("twilio", {"mode": "http_500"}, 500, 20500),
        ("twilio", {"mode": "http_429"}, 429, 20429),
        ("twilio", {"mode": "http_401"}, 401, 20003),
        ("twilio", {"mode": "http_400"}, 400, 29999),
        ("twilio", {"mode": "error_code", "code": 21610}, 400, 21610),
        ("twilio", {"mode": "error_code", "code": 63016, "when": "sync"}, 400, 63016),
        ("meta", {"mode": "http_500"}, 500, 1),
        ("meta", {"mode": "http_429"}, 429, 130429),
        ("meta", {"mode": "http_429", "code": 131056}, 400, 131056),
        ("meta", {"mode": "http_401"}, 401, 190),
        ("meta", {"mode": "http_400"}, 400, 135999),
        ("meta", {"mode": "error_code", "code": "190"}, 401, 190),
        ("kommo", {"mode": "http_500"}, 500, 500),
        ("kommo", {"mode": "http_429"}, 429, 429),
        ("kommo", {"mode": "http_401"}, 401, 401),
        ("kommo", {"mode": "http_400"}, 400, 400),
        ("kommo", {"mode": "error_code"}, 422, 422),
        ("kommo", {"mode": "error_code", "code": 402}, 402, 402),
    ],
)
def test_the_next_sends_misbehave_and_later_ones_do_not(
    world: World, provider: str, fault: dict[str, Any], status: int, code: int
) -> None:
    assert world.order("/fault", provider=provider, count=2, **fault)[0] == 200
    for _ in range(2):
        found, answer = world.send(provider)
        assert found == status
        assert answer.get("error", answer).get("code", answer.get("status")) == code
    assert world.sent() == []
    assert world.send(provider)[0] < 300


def test_most_faults_of_whatsapp_come_as_a_status(world: World) -> None:
    for provider, code in (("twilio", "63016"), ("meta", "131047")):
        world.order("/fault", provider=provider, mode="error_code", count=1, code=code)
        assert world.send(provider)[0] < 300
    reports = sorted(world.gateway.wait_for(2), key=lambda request: request.path)
    (failed,) = value(reports[0])["statuses"]
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131047)
    assert (form(reports[1])["MessageStatus"], form(reports[1])["ErrorCode"]) == ("failed", "63016")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_may_hang_and_then_hang_up(world: World, provider: str) -> None:
    world.order("/fault", provider=provider, mode="hang", count=1, seconds=0.3)
    started = time.monotonic()
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        world.send(provider)
    assert time.monotonic() - started >= 0.3
    assert world.sent() == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_may_take_a_message_and_lose_the_answer(world: World, provider: str) -> None:
    world.order("/customer", provider="kommo", **{"from": CUSTOMER, "text": "hola"})
    talk = form(world.gateway.wait_for(1)[0])["message[add][0][talk_id]"]
    world.order("/fault", provider=provider, mode="accept_then_drop", count=1)
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        world.send(provider, **({"talk": talk} if provider == "kommo" else {}))
    (entry,) = world.sent()
    assert entry["dropped"] is True
    world.gateway.wait_for(2)  # it reports what became of it all the same


def test_wrong_credentials_use_up_no_fault(world: World) -> None:
    world.order("/fault", provider="meta", mode="http_500", count=1)
    assert world.send("meta", token="wrong")[0] == 401
    assert world.send("meta")[0] == 500


def test_faults_can_be_taken_back(world: World) -> None:
    world.order("/fault", provider="meta", mode="http_500", count=5)
    world.order("/fault", provider="meta", mode="http_500", count=0)
    assert world.send("meta")[0] == 200


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("/fault", [], "JSON object"),
        ("/fault", {"provider": "sms", "mode": "hang"}, "kommo, meta, twilio"),
        ("/fault", {"provider": "meta", "mode": "explode"}, "accept_then_drop"),
        ("/fault", {"provider": "meta", "mode": "hang", "count": -1}, "count"),
        ("/fault", {"provider": "meta", "mode": "hang", "count": True}, "count"),
        ("/fault", {"provider": "meta", "mode": "hang", "seconds": "x"}, "seconds"),
        ("/fault", {"provider": "meta", "mode": "hang", "every": 0}, "every"),
        ("/fault", {"provider": "meta", "mode": "hang", "to": 5}, "to"),
        ("/fault", {"provider": "meta", "mode": "hang", "call": "all"}, "send, indication, question"),
        ("/fault", {"provider": "meta", "mode": "hang", "call": "question", "to": "+1"}, "call"),
        ("/fault", {"provider": "meta", "mode": "hang", "call": "question", "from": "+1"}, "from"),
        ("/fault", {"provider": "meta", "mode": "lose_statuses", "call": "question"}, "call"),
        ("/fault", {"provider": "meta", "mode": "http_429", "taken": True}, "http_500, hang"),
        ("/fault", {"provider": "meta", "mode": "hang", "taken": 1}, "taken"),
        ("/fault", {"provider": "meta", "mode": "hang", "statuses": "no"}, "statuses"),
        ("/fault", {"mode": "away", "seconds": 61}, "seconds"),
        ("/fault", {"provider": "meta", "mode": "error_code", "code": "x"}, "code"),
        ("/fault", {"provider": "kommo", "mode": "error_code", "code": 63016}, "HTTP"),
        ("/fault", {"provider": "meta", "mode": "http_500", "when": "status"}, "error_code"),
        ("/fault", {"provider": "meta", "mode": "error_code", "when": "later"}, "sync"),
        ("/customer", {"provider": "meta", "text": "x"}, "from"),
        ("/customer", {"provider": "meta", "from": "+1"}, "text"),
        ("/customer", {"provider": "meta", "from": "+1", "text": 7}, "text"),
        ("/customer", {"provider": "meta", "from": "+1", "payload": []}, "payload"),
        ("/customer", {"provider": "meta", "from": "+1", "text": "x", "address": 5}, "address"),
        ("/customer", {"provider": "kommo", "from": "+1", "text": "x", "address": "5"}, "account"),
        ("/customer", {"provider": "meta", "from": "+1", "text": "x", "age_seconds": -1}, "age_seconds"),
        ("/customer", {"provider": "meta", "from": "+1", "text": "x", "lose": 1}, "lose"),
    ],
)
def test_an_order_that_cannot_be_done_says_what_to_change(world: World, path: str, content: Any, says: str) -> None:
    status, answer = world.call("POST", path, json.dumps(content).encode())
    assert (status, answer["code"]) == (400, "bad_request")
    assert says in answer["title"]


def test_an_unknown_path_names_the_known_ones(world: World) -> None:
    status, answer = world.call("GET", "/nothing")
    assert status == 404
    assert "/customer" in answer["title"]


@pytest.fixture
def open_world(identity: Identity, make_function: MakeFunction) -> Iterator[World]:
    functions: dict[str, Function] = {"Example": make_function()}
    made = World(identity)
    made.simulators.open(functions, lambda: [{"detail-type": "WindowClosed", "detail": {}}])
    yield made
    made.stop()


def test_a_function_can_be_called_by_hand(open_world: World) -> None:
    status, answer = open_world.order("/invoke/Example", answer={"swept": 3})
    assert (status, answer) == (200, {"swept": 3})
    status, answer = open_world.order("/invoke/Example", **{"raise": "x"})
    assert (status, answer["error"]["errorType"]) == (502, "ValueError")
    assert open_world.order("/invoke/Nobody")[0] == 404
    assert open_world.call("POST", "/invoke/Example", b"{")[0] == 400


def test_events_of_the_bus_are_shown(open_world: World) -> None:
    assert open_world.call("GET", "/events")[1] == {"events": [{"detail-type": "WindowClosed", "detail": {}}]}
