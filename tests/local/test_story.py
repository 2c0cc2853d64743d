"""The main job end to end, over HTTP, with requests signed by a client that shares no code with the system."""

from __future__ import annotations

import itertools
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest

from infra.local.client import Client
from tests.local.answering import wait_until
from tests.local.customers import PROVIDERS, Customers, Letter
from tests.local.running import Running, remove, running, wait_until_none

pytestmark = pytest.mark.e2e
numbers = itertools.count(10_000_000)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("story") / "state"
    with running(state) as up:
        up.wait_for("Ctrl-C ends it")
        yield up
        assert up.simulators.call("GET", "/violations") == (200, {"violations": []})
        assert up.end() == 0
    assert wait_until_none(state) == set()
    remove(state)


@pytest.fixture(scope="module")
def customers(system: Running) -> Customers:
    return Customers(system.runtime)


@pytest.fixture
def database(system: Running) -> Iterator[psycopg.Connection]:
    with psycopg.connect(system.runtime["dsn"], autocommit=True) as connection:
        yield connection


def stored(database: psycopg.Connection, letter: Letter) -> list[tuple[str, ...]]:
    query = """
        select c.id::text, m.role, m.content, m.provider, coalesce(c.phone, c.kommo_chat_id)
          from kommo_messages m join kommo_conversations c on c.id = m.conversation_id
         where m.provider_message_id = %s"""
    return database.execute(query, [letter.message_id]).fetchall()


def wrote(customers: Customers, database: psycopg.Connection, provider: str) -> str:
    """A customer writes; the id of the conversation."""
    letter = customers.letter(provider, "¿Hola?", next(numbers))
    assert customers.post(letter) == 200
    ((conversation, *_),) = stored(database, letter)
    return conversation


def answer(system: Running, conversation: str, text: str) -> tuple[int, Any]:
    order = {"conversation_id": conversation, "type": "text", "text": {"body": text}}
    return system.api.call("POST", "/v1/messages", order)


def reaches(system: Running, message_id: str, *statuses: str, seconds: float = 15) -> dict[str, Any]:
    """The message once it has one of these statuses."""
    give_up = time.monotonic() + seconds
    while True:
        status, message = system.api.call("GET", f"/v1/messages/{message_id}")
        assert status == 200
        if message["status"] in statuses:
            return dict(message)
        assert time.monotonic() < give_up, f"{message['status']}, not {statuses}: {message}"
        time.sleep(0.05)


def sent(system: Running, text: str) -> list[dict[str, Any]]:
    return [entry for entry in system.simulators.call("GET", "/sent")[1]["sent"] if entry["text"] == text]


def test_the_story_was_told(system: Running) -> None:
    told = system.output()
    assert told.count("signed webhook answered 200, stored; window open for 23 h 5") == 3
    assert told.count("→ sent → delivered → read") == 2
    assert "present  idx_twilio_conversation_phone" in told
    table = told[told.index("Provider | Total") :]
    assert [line.split("|")[0].strip() for line in table.splitlines()[2:5]] == PROVIDERS_IN_ORDER


def test_functions_have_no_more_rights_than_they_need(database: psycopg.Connection) -> None:
    query = "select distinct usename from pg_stat_activity where application_name = 'ventana'"
    assert database.execute(query).fetchall() == [("ventana_app",)]


PROVIDERS_IN_ORDER = ["kommo", "twilio", "meta"]


def test_runtime_json_tells_where_everything_is(system: Running) -> None:
    runtime = system.runtime
    assert set(runtime) == {
        "base_url",
        "dsn",
        "simulator_url",
        "api_token",
        "reader_token",
        "secrets",
        "addresses",
        "pid",
    }
    assert set(runtime["secrets"]) == {
        "twilio_auth_token",
        "meta_app_secret",
        "meta_verify_token",
        "kommo_webhook_token",
    }
    assert set(runtime["addresses"]) == {
        "twilio_account_sid",
        "twilio_address",
        "meta_phone_number_id",
        "meta_display_phone_number",
        "kommo_account_id",
        "kommo_subdomain",
    }
    assert runtime["pid"] == system.process.pid
    assert stat.S_IMODE((system.state / "runtime.json").stat().st_mode) == 0o600
    assert Client(runtime["base_url"]).call("GET", "/v1/health") == (200, {"status": "ok"})


def test_meta_makes_its_handshake(system: Running) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": system.runtime["secrets"]["meta_verify_token"]}
    status, challenge = system.api.call("GET", f"/webhooks/meta?{urlencode({**query, 'hub.challenge': '1158201444'})}")
    assert (status, challenge) == (200, 1158201444)


def test_the_api_wants_a_token(system: Running) -> None:
    for token in ("", "guessed"):
        status, problem = Client(system.runtime["base_url"], token).call("GET", "/v1/stats")
        assert (status, problem["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_message_lands_in_the_table(
    system: Running, customers: Customers, database: psycopg.Connection, provider: str
) -> None:
    letter = customers.letter(provider, "¿Tienen la talla M? 👀", next(numbers))
    assert customers.post(letter) == 200
    ((conversation, role, content, stored_provider, customer),) = stored(database, letter)
    assert (role, content, stored_provider) == ("user", "¿Tienen la talla M? 👀", provider)
    assert customer == letter.customer
    status, window = system.api.call("GET", f"/v1/conversations/{conversation}/window")
    assert status == 200
    assert window["open"] is True
    assert 1430 <= window["minutes_left"] <= 1440


@pytest.mark.parametrize("provider", PROVIDERS)
def test_twenty_copies_at_once_are_one_row(customers: Customers, database: psycopg.Connection, provider: str) -> None:
    letter = customers.letter(provider, "solo una vez", next(numbers))
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(customers.post, [letter] * 20)) == [200] * 20
    assert len(stored(database, letter)) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_forged_webhook_is_refused_and_stores_nothing(
    customers: Customers, database: psycopg.Connection, provider: str
) -> None:
    letter = customers.forged(provider, "soy yo, de verdad", next(numbers))
    assert customers.post(letter) == 403
    assert stored(database, letter) == []


@pytest.mark.parametrize(("provider", "final"), [("kommo", "sent"), ("meta", "read"), ("twilio", "read")])
def test_an_answer_inside_the_window_arrives_once(
    system: Running, customers: Customers, database: psycopg.Connection, provider: str, final: str
) -> None:
    conversation, text = wrote(customers, database, provider), f"¡Hola! {uuid4()}"
    status, accepted = answer(system, conversation, text)
    assert status == 202
    reaches(system, accepted["id"], final)
    (entry,) = sent(system, text)
    assert (entry["provider"], entry["dropped"]) == (provider, False)
    rows = database.execute("select count(*) from kommo_messages where content = %s", [text]).fetchone()
    assert rows == (1,)  # the echo that Kommo sends is the same message


@pytest.mark.parametrize("provider", PROVIDERS)
def test_outside_the_window_nothing_is_sent(
    system: Running, customers: Customers, database: psycopg.Connection, provider: str
) -> None:
    conversation, text = wrote(customers, database, provider), f"tarde {uuid4()}"
    database.execute(
        "update kommo_conversations set last_user_message_at = now() - interval '25 hours' where id = %s",
        [conversation],
    )
    status, problem = answer(system, conversation, text)
    assert (status, problem["code"]) == (409, "window_closed")
    assert problem["closed_at"]
    assert sent(system, text) == []


def test_what_the_provider_says_later_counts(
    system: Running, customers: Customers, database: psycopg.Connection
) -> None:
    """63016 and 131047 come after the send was taken: it fails, and our window shuts as well."""
    for provider, code in (("twilio", "63016"), ("meta", "131047")):
        conversation = wrote(customers, database, provider)
        system.simulators.call("POST", "/fault", {"provider": provider, "mode": "error_code", "count": 1, "code": code})
        status, accepted = answer(system, conversation, f"fuera {uuid4()}")
        assert status == 202
        assert reaches(system, accepted["id"], "failed")["error_code"] == code
        assert answer(system, conversation, "otra vez")[0] == 409


@pytest.mark.parametrize(("provider", "final"), [("kommo", "sent"), ("meta", "read"), ("twilio", "read")])
def test_a_throttled_send_goes_out_later(
    system: Running, customers: Customers, database: psycopg.Connection, provider: str, final: str
) -> None:
    conversation, text = wrote(customers, database, provider), f"luego {uuid4()}"
    system.simulators.call("POST", "/fault", {"provider": provider, "mode": "http_429", "count": 1})
    _, accepted = answer(system, conversation, text)
    reaches(system, accepted["id"], final, seconds=30)
    assert len(sent(system, text)) == 1


def test_a_provider_that_hangs_holds_up_one_conversation(
    system: Running, customers: Customers, database: psycopg.Connection
) -> None:
    slow, quick = (wrote(customers, database, "meta") for _ in range(2))
    _, ours = system.api.call("GET", f"/v1/conversations/{slow}")
    order = {"provider": "meta", "mode": "hang", "taken": True, "seconds": 4, "to": ours["phone"]}
    assert system.simulators.call("POST", "/fault", order)[0] == 200
    held, behind = (answer(system, slow, f"{text} {uuid4()}")[1]["id"] for text in ("lento", "detrás"))

    def taken() -> bool:
        return any(entry["message_id"] == held for entry in system.simulators.call("GET", "/sent")[1]["sent"])

    wait_until(taken, 60, "the provider has the first")
    _, free = answer(system, quick, f"rápido {uuid4()}")
    reaches(system, free["id"], "read")
    assert system.api.call("GET", f"/v1/messages/{behind}")[1]["status"] in ("accepted", "queued")
    for each in (held, behind):
        reaches(system, each, "read")


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_a_send_whose_answer_was_lost_is_settled_and_not_repeated(
    system: Running, customers: Customers, database: psycopg.Connection, provider: str
) -> None:
    conversation, text = wrote(customers, database, provider), f"perdido {uuid4()}"
    system.simulators.call("POST", "/fault", {"provider": provider, "mode": "accept_then_drop", "count": 1})
    _, accepted = answer(system, conversation, text)
    reaches(system, accepted["id"], "read")
    (entry,) = sent(system, text)
    assert entry["dropped"] is True


def test_what_happened_is_published_at_once(
    system: Running, customers: Customers, database: psycopg.Connection
) -> None:
    """Not only by the sweep, which comes once a minute. A function that the bus kept waiting leaves it for a while."""
    for _ in range(15):
        if "MessageReceived" in published(system, wrote(customers, database, "twilio"), 3.0):
            return
    raise AssertionError("no webhook published what it had recorded")


def published(system: Running, conversation: str, seconds: float) -> list[str]:
    """Names of the events of a conversation, as soon as there are any."""
    give_up = time.monotonic() + seconds
    while True:
        events = system.simulators.call("GET", "/events")[1]["events"]
        found = [event["detail-type"] for event in events if event["detail"].get("conversation_id") == conversation]
        if found or time.monotonic() > give_up:
            return found
        time.sleep(0.05)
