"""Events on a real bus: right after the commit by whoever made it, and by the sweep where that could not be."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.functions.lambda_context import Context
from tests.functions.published import check
from tests.functions.sending import Desk
from tests.functions.test_webhooks import KOMMO, TWILIO, meta, text
from ventana.outbox import EVENTS_A_CALL, LARGEST_BYTES, Outbox
from ventana.schema.connection import Database
from ventana.settings import Settings

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]
Bus = Callable[[], list[dict[str, Any]]]

WAITING = "select count(*) from events where published_at is null"
EVERY = [("twilio", TWILIO), ("meta", meta(text(1))), ("kommo", KOMMO)]


@pytest.fixture
def database(application_url: str) -> Iterator[Database]:
    opened = Database(Settings(database_url=application_url))
    yield opened
    opened.close()


@pytest.fixture
def outbox(database: Database, aws: dict[str, str]) -> Outbox:
    return Outbox(database, "ventana")


def happened(rows: Rows, number: int = 1, **more: Any) -> list[str]:
    """So many windows are about to close; the ids of the events, in order."""
    detail = {
        "conversation_id": str(uuid4()),
        "provider": "meta",
        "business_address": "1065",
        "last_user_message_at": "2026-11-21T12:00:00+00:00",
        "closes_at": "2026-11-22T12:00:00+00:00",
    }
    return [
        event_id
        for (event_id,) in rows(
            "insert into events (name, detail, occurred_at)"
            " select 'WindowClosing', %s::jsonb, now() + n * interval '1 ms' from generate_series(1, %s) n"
            " returning id::text",
            json.dumps({**detail, **more}),
            number,
        )
    ]


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["detail"]["event_id"] for event in events]


def test_events_are_published_in_order_with_id_version_and_time(outbox: Outbox, rows: Rows, bus: Bus) -> None:
    happened_ids = happened(rows, 25)
    outbox.publish_quietly()
    heard = bus()
    assert ids(heard) == happened_ids
    assert {(event["source"], event["detail-type"], event["detail"]["version"]) for event in heard} == {
        ("ventana", "WindowClosing", 1)
    }
    assert rows(WAITING) == [(0,)]
    for event in heard:
        check(event["detail-type"], event["detail"])
    outbox.publish_quietly()
    assert bus() == []


@pytest.mark.parametrize(("provider", "payload"), EVERY)
def test_a_webhook_publishes_what_it_has_just_committed(
    load: Load, events: Events, bus: Bus, rows: Rows, provider: str, payload: Any
) -> None:
    assert load(f"{provider}_webhook").handler(events[provider](payload), None)["statusCode"] == 200
    (heard,) = bus()
    assert heard["detail-type"] == "MessageReceived"
    check("MessageReceived", heard["detail"])
    assert rows("select id::text from kommo_messages") == [(heard["detail"]["message_id"],)]
    assert rows(WAITING) == [(0,)]
    assert load(f"{provider}_webhook").handler(events[provider](payload), None)["statusCode"] == 200
    assert bus() == [], "a repeated webhook tells nothing"


def test_the_sender_publishes_what_became_of_a_message(desk: Desk, bus: Bus) -> None:
    desk.deliver(desk.accept(desk.customer()))
    assert [event["detail"]["status"] for event in bus()] == ["sending", "sent"]


def test_the_api_publishes_what_a_person_has_changed(load: Load, events: Events, rows: Rows, bus: Bus) -> None:
    ((conversation,),) = rows(
        "insert into kommo_conversations (provider, phone) values ('meta', '+5511987654321') returning id::text"
    )
    app = load("api")

    def call(method: str, path: str) -> None:
        assert app.handler(events["http"](method, path), Context())["statusCode"] == 200

    happened_ids = happened(rows)
    call("GET", f"/v1/conversations/{conversation}")
    assert bus() == [], "who only looks publishes nothing"
    call("POST", f"/v1/conversations/{conversation}/resolve")
    heard = bus()
    assert ids(heard)[0] in happened_ids
    assert [event["detail"].get("change") for event in heard] == [None, "resolved"]


def test_what_the_bus_refused_comes_again_under_the_same_id(
    outbox: Outbox, rows: Rows, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = happened(rows, 3)
    put = outbox._client.put_events

    def refusing_the_second(Entries: list[Any]) -> Any:
        put(Entries=[Entries[0], Entries[2]])
        return {"Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}, {"EventId": "3"}]}

    with monkeypatch.context() as patched:
        patched.setattr(outbox._client, "put_events", refusing_the_second)
        assert outbox.publish() == 2
    assert ids(bus()) == [first, third]
    assert outbox.publish() == 0, "it is claimed, and may have been taken"
    rows("update events set claimed_until = now() where published_at is null")
    assert outbox.publish() == 1
    assert ids(bus()) == [second]


def test_what_the_bus_took_before_it_went_away_is_not_published_again(
    outbox: Outbox, rows: Rows, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(rows, 4, blown_up="x" * (LARGEST_BYTES // 3))
    put, calls = outbox._client.put_events, []

    def breaking_off(Entries: list[Any]) -> Any:
        calls.append(len(Entries))
        if len(calls) > 1:
            raise TimeoutError
        return put(Entries=Entries)

    monkeypatch.setattr(outbox._client, "put_events", breaking_off)
    with pytest.raises(TimeoutError):
        outbox.publish()
    assert calls == [2, 2]
    assert rows(WAITING) == [(2,)]
    rows("delete from events")  # they are none of ours


def test_an_event_that_is_too_large_goes_without_its_large_values(outbox: Outbox, rows: Rows, bus: Bus) -> None:
    """PutEvents refuses the whole call for one entry of more than 256 KB, and the oldest event comes first."""
    detail = {
        "conversation_id": str(uuid4()),
        "message_id": str(uuid4()),
        "provider": "meta",
        "business_address": "1065",
        "provider_message_id": "wamid.1",
        "customer_name": "Ana",
        "channel": "whatsapp",
        "content_type": "text",
        "content": "🙂" * 4096,
        "details": {"contacts": ["x" * 1000] * 300},
        "files": 0,
        "sent_at": "2026-11-22T12:00:00+00:00",
        "conversation_status": "active",
        "assigned_to": None,
        "opted_out": False,
        "window_closes_at": None,
    }
    rows("insert into events (name, detail, occurred_at) values ('MessageReceived', %s, now())", json.dumps(detail))
    (after,) = happened(rows)
    assert outbox.publish() == 2
    large, small = bus()
    assert large["detail"]["shortened"] is True
    assert large["detail"]["content"] == detail["content"]
    assert "details" not in large["detail"]
    check("MessageReceived", large["detail"])
    assert small["detail"]["event_id"] == after
    assert "shortened" not in small["detail"]


def test_two_publishers_share_the_events_and_publish_none_twice(
    application_url: str, aws: dict[str, str], rows: Rows, bus: Bus
) -> None:
    happened_ids = happened(rows, 40)
    start = threading.Barrier(4)

    def publish() -> None:
        database = Database(Settings(database_url=application_url))
        box = Outbox(database, "ventana")
        start.wait(10)
        box.publish_quietly()
        database.close()

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(bus())) == sorted(happened_ids)


def test_a_publisher_that_died_leaves_its_events_to_the_next(outbox: Outbox, rows: Rows, bus: Bus) -> None:
    (event_id,) = happened(rows)
    rows("update events set claimed_until = now() + interval '2 minutes'")
    assert outbox.publish() == 0
    rows("update events set claimed_until = now()")
    assert outbox.publish() == 1
    assert ids(bus()) == [event_id]


def test_who_has_no_time_left_publishes_nothing(outbox: Outbox, rows: Rows, bus: Bus) -> None:
    happened(rows)
    outbox.publish_quietly(until=time.monotonic() + 0.1)
    assert (bus(), rows("select count(*) from events where claimed_until is not null")) == ([], [(0,)])


def test_a_backlog_is_published_only_as_long_as_there_is_time(
    database: Database, aws: dict[str, str], rows: Rows
) -> None:
    happened(rows, 5 * EVENTS_A_CALL)
    clock = iter(range(100))
    Outbox(database, "ventana", call_seconds=1.0, clock=lambda: float(next(clock))).publish_quietly(until=4.5)
    assert rows(WAITING) == [(2 * EVENTS_A_CALL,)]


def test_without_a_bus_events_wait(database: Database, aws: dict[str, str], rows: Rows) -> None:
    happened(rows)
    Outbox(database, None).publish_quietly()
    assert rows(WAITING) == [(1,)]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[None]:
    """A bus that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield


@pytest.mark.parametrize(("provider", "payload"), EVERY)
def test_a_webhook_is_answered_in_time_although_the_bus_is_silent(
    load: Load, events: Events, rows: Rows, silent: None, provider: str, payload: Any
) -> None:
    app = load(f"{provider}_webhook")
    app.handler(events[provider]({}), None)  # imports and connections are another matter
    started = time.monotonic()
    assert app.handler(events[provider](payload), None)["statusCode"] == 200
    assert time.monotonic() - started < 4, "while the provider still listens"
    assert rows(WAITING) == [(1,)]


def test_a_bus_that_does_not_answer_is_left_alone_for_a_while(
    database: Database, rows: Rows, silent: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now, asked = [100.0], []
    outbox = Outbox(database, "ventana", call_seconds=0.2, clock=lambda: now[0])
    publish = outbox.publish

    def counted() -> int:
        asked.append(now[0])
        return publish()

    monkeypatch.setattr(outbox, "publish", counted)
    happened(rows)
    for now[0] in (100.0, 110.0, 129.0, 131.0):
        outbox.publish_quietly()
    assert asked == [100.0, 131.0]


def test_the_sweep_publishes_what_nobody_could(
    load: Load, events: Events, rows: Rows, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("EVENT_BUS_NAME", "")
        app = load("meta_webhook")
    assert app.handler(events["meta"](meta(text(1))), None)["statusCode"] == 200
    assert (bus(), rows(WAITING)) == ([], [(1,)])
    assert load("window_sweep").handler({}, Context())["published"] == 1
    assert [event["detail-type"] for event in bus()] == ["MessageReceived"]


def test_a_database_that_refuses_after_the_commit_costs_no_answer(
    load: Load, events: Events, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load("meta_webhook")
    with monkeypatch.context() as patched:
        patched.setattr("ventana.schema.events.CLAIM", "select no_such_function()")
        assert app.handler(events["meta"](meta(text(1))), None)["statusCode"] == 200
    assert rows("select count(*) from kommo_messages") == [(1,)]
    assert rows(WAITING) == [(1,)]
