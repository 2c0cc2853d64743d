"""The playground of the console: what it says, what customers write through it, and a clock that moves on."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.local.client import Client
from infra.local.playground import Unplayable, letter
from tests.local.answering import wait_until
from tests.local.running import Running, remove, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CUSTOMERS = {"kommo": "+34612000104", "meta": "+5511912000106", "twilio": "+5215512000108"}
KINDS = [("kommo", "text"), ("kommo", "image")] + [
    (provider, kind) for provider in ("meta", "twilio") for kind in ("text", "image", "location", "button")
]
ALMOST_A_DAY = 23 * 3600 + 55 * 60


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    state = Path(tempfile.mkdtemp(prefix="ventana-playground-")) / "state"
    with running(state) as found:
        found.wait_for("Look at it in the console")
        yield found
    remove(state)


@pytest.fixture(scope="module")
def writer(system: Running) -> Client:
    return Client(system.runtime["base_url"], system.runtime["api_token"])


def conversation_of(client: Client, provider: str, message_id: str) -> dict[str, Any]:
    for listed in client.call("GET", f"/v1/conversations?provider={provider}")[1]["conversations"]:
        found = client.call("GET", f"/v1/conversations/{listed['id']}")[1]
        if any(message["provider_message_id"] == message_id for message in found["messages"]):
            return dict(found)
    raise AssertionError(f"{message_id} was not stored")


def test_the_link_to_the_console_is_printed_and_leads_to_it(system: Running) -> None:
    link = f"{system.runtime['base_url']}/console/#token={system.runtime['api_token']}"
    assert link in system.output()


def test_it_says_who_is_there_and_what_can_go_wrong(writer: Client) -> None:
    status, shown = writer.call("GET", "/playground")
    assert status == 200
    assert set(shown) == {"providers", "faults", "active", "ahead_seconds"}
    assert set(shown["providers"]) == set(CUSTOMERS)
    for provider, found in shown["providers"].items():
        assert CUSTOMERS[provider] in {customer["from"] for customer in found["customers"]}
        assert len(found["addresses"]) == 1
        assert {(provider, kind) for kind in found["kinds"]} == {each for each in KINDS if each[0] == provider}


@pytest.mark.parametrize("path", ["", "/messages", "/faults", "/clock", "/nothing"])
def test_only_who_may_write_plays(system: Running, path: str) -> None:
    method = "POST" if path else "GET"
    for token, wanted in (("", 401), ("nonsense", 401), (system.runtime["reader_token"], 403)):
        assert Client(system.runtime["base_url"], token).call(method, f"/playground{path}", {})[0] == wanted


@pytest.mark.parametrize(("provider", "kind"), KINDS)
def test_a_customer_writes(writer: Client, provider: str, kind: str) -> None:
    order = {"provider": provider, "from": CUSTOMERS[provider], "name": "Zoé", "kind": kind, "text": f"¿Hola {kind}?"}
    more = {"latitude": 19.43, "longitude": -99.13} if kind == "location" else {}
    status, answer = writer.call("POST", "/playground/messages", {**order, **more, "payload": "yes"})
    assert (status, answer["status"]) == (200, 200)
    found = conversation_of(writer, provider, answer["message_id"])
    assert found["contact_name"] == "Zoé"
    (message,) = [each for each in found["messages"] if each["provider_message_id"] == answer["message_id"]]
    wanted = {"button": ("button_reply", "button", "interactive")}.get(kind, (kind,))
    assert message["content_type"] in wanted
    if kind == "image":
        wait_until(lambda: stored(writer, message["id"]), 20, "the picture was copied")


def stored(writer: Client, message_id: str) -> bool:
    media = writer.call("GET", f"/v1/messages/{message_id}")[1]["media"]
    return [each["state"] for each in media] == ["stored"]


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("messages", {"provider": "nobody", "from": "+1", "text": "x"}),
        ("messages", {"provider": "meta", "text": "x"}),
        ("messages", {"provider": "meta", "from": "+5511912000106", "kind": "location"}),
        ("messages", {"provider": "kommo", "from": "+34612000104", "kind": "button", "text": "x"}),
        ("messages", {"provider": "meta", "from": "+5511912000106", "kind": "dance"}),
        ("faults", {"provider": "meta", "mode": "nothing"}),
        ("faults", {"mode": None}),
        ("clock", {"seconds": 0}),
        ("clock", {"seconds": "soon"}),
        ("clock", []),
    ],
)
def test_what_cannot_be_done_is_refused(writer: Client, path: str, order: Any) -> None:
    status, answer = writer.call("POST", f"/playground/{path}", order)
    assert status in (400, 422)
    assert answer["title"]


def test_a_fault_is_switched_on_and_off(writer: Client) -> None:
    status, shown = writer.call("POST", "/playground/faults", {"provider": "meta", "mode": "http_400", "count": 3})
    assert (status, shown["active"]) == (200, [{"provider": "meta", "mode": "http_400", "left": 3}])
    assert writer.call("POST", "/playground/faults", {"provider": "meta", "mode": None})[1]["active"] == []


@pytest.mark.parametrize(
    "order", [{"kind": "text", "text": 1}, {"kind": "location", "provider": "meta", "latitude": 91, "longitude": 0}]
)
def test_an_order_is_read_before_anybody_is_asked(order: dict[str, Any]) -> None:
    with pytest.raises(Unplayable):
        letter(order)


def test_time_goes_by(system: Running, writer: Client) -> None:
    """A window shuts, the provider knows as well, and nothing else about what is stored changes."""
    write = {"provider": "meta", "from": "+5511912000107", "name": "Gus", "kind": "text", "text": "¿Hola?"}
    before = conversation_of(writer, "meta", writer.call("POST", "/playground/messages", write)[1]["message_id"])
    assert before["window"]["open"]
    status, moved = writer.call("POST", "/playground/clock", {"seconds": ALMOST_A_DAY})
    assert (status, moved) == (200, {"ahead_seconds": ALMOST_A_DAY})
    after = writer.call("GET", f"/v1/conversations/{before['id']}")[1]
    assert after["window"]["open"]
    assert after["window"]["minutes_left"] in range(3, 6)
    assert writer.call("POST", "/playground/clock", {"seconds": 600})[1]["ahead_seconds"] == ALMOST_A_DAY + 600
    send = {"conversation_id": before["id"], "type": "text", "text": {"body": "¡Hola!"}}
    status, refused = writer.call("POST", "/v1/messages", send)
    assert (status, refused["code"]) == (409, "window_closed")
    events = system.simulators.call("GET", "/events")[1]["events"]
    wait_until(
        lambda: "WindowClosed" in json.dumps(system.simulators.call("GET", "/events")[1]), 10, json.dumps(events)
    )
    with psycopg.connect(system.runtime["dsn"]) as database:
        applied = database.execute(
            "select max(finished_at) > now() - interval '1 hour' from ventana_meta.schema_migrations"
        )
        assert applied.fetchone() == (True,)
        newest_time = database.execute("select max(created_at) < now() - interval '23 hours' from kommo_messages")
        assert newest_time.fetchone() == (True,)
    lines = (system.state / "customers.jsonl").read_text().splitlines()
    assert max(json.loads(line)[3] for line in lines) < time.time() - ALMOST_A_DAY
