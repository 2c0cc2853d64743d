"""The sweep through its handler: windows closed, turns given, ends made, events on the bus, and time kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from tests.functions.lambda_context import Context
from ventana.schema.outbound import Lane, OutboundRequest, Part, accept_outbound

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]


def customers(rows: Rows, number: int, ago: str) -> None:
    rows(
        "insert into kommo_conversations (provider, business_address, phone, last_user_message_at)"
        " select 'meta', '1065', '+55' || n || %s, now() - %s::interval from generate_series(1, %s) n returning 1",
        str(uuid4().int)[:6],
        ago,
        number,
    )


def test_closing_and_closed_windows_are_published_once(
    load: Load, rows: Rows, bus: Callable[[], list[dict[str, Any]]]
) -> None:
    customers(rows, 3, "23 hours 30 minutes")
    customers(rows, 12, "25 hours")
    customers(rows, 2, "1 hour")
    app = load("window_sweep")
    tick = app.handler({}, Context())
    assert (tick["closing"], tick["closed"], tick["published"], tick["left"]) == (3, 12, 15, 0)
    events = bus()
    assert sorted(event["detail-type"] for event in events) == ["WindowClosed"] * 12 + ["WindowClosing"] * 3
    assert len({event["detail"]["event_id"] for event in events}) == 15
    again = app.handler({}, Context())
    assert (again["closing"], again["closed"], again["published"]) == (0, 0, 0)
    assert rows("select count(*) from kommo_conversations where needs_template") == [(12,)]


def send(app: Any, rows: Rows, lane: Lane = "reply", **wishes: Any) -> str:
    """An answer that was accepted, and of which no sender knows; its id."""
    ((conversation,),) = rows("select id::text from kommo_conversations limit 1")
    part = Part(str(uuid4()), {"type": "text", "body": "x"})
    request = OutboundRequest([part], "tests", conversation_id=conversation, lane=lane, **wishes)
    return accept_outbound(app.database, request, timedelta(minutes=1)).message_ids[0]


def queued(url: str) -> list[str]:
    """The turns in a queue."""
    found = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [entry["Body"] for entry in found]


@pytest.mark.parametrize("lane", ["reply", "bulk"])
def test_a_send_that_nobody_works_on_gets_a_turn_in_its_lane(
    load: Load, rows: Rows, aws: dict[str, str], lane: Lane
) -> None:
    customers(rows, 1, "1 hour")
    app = load("window_sweep")
    message_id = send(app, rows, lane)
    assert app.handler({}, Context())["turn"] == 0, "whoever accepted it may be about to queue it"
    rows("update sends set due_at = now() returning 1")
    assert app.handler({}, Context())["turn"] == 1
    assert queued(aws["BULK_QUEUE_URL" if lane == "bulk" else "SEND_QUEUE_URL"]) == [message_id]
    assert queued(aws["SEND_QUEUE_URL" if lane == "bulk" else "BULK_QUEUE_URL"]) == []
    assert app.handler({}, Context())["turn"] == 0


def test_a_scheduled_send_gets_its_turn_when_its_time_has_come(load: Load, rows: Rows, aws: dict[str, str]) -> None:
    customers(rows, 1, "1 hour")
    app = load("window_sweep")
    message_id = send(app, rows, send_at=datetime.now(UTC) + timedelta(hours=1))
    assert app.handler({}, Context())["turn"] == 0
    rows("update sends set due_at = now() returning 1")
    assert app.handler({}, Context())["turn"] == 1
    assert queued(aws["SEND_QUEUE_URL"]) == [message_id]


def test_what_has_run_out_of_time_expires_and_a_dead_senders_message_is_uncertain(
    load: Load, rows: Rows, aws: dict[str, str]
) -> None:
    customers(rows, 1, "1 hour")
    app = load("window_sweep")
    late, held, sending = (send(app, rows) for _ in range(3))
    rows("update sends set due_at = now(), expires_at = now() where message_id = %s returning 1", late)
    rows(
        "update sends set phase = 'held', due_at = now(), expires_at = now() where message_id = %s returning 1",
        held,
    )
    rows("update kommo_messages set delivery_status = 'held' where id = %s returning 1", held)
    rows(
        "update sends set phase = 'sending', due_at = now(), lease_until = now(), claimed_at = now()"
        " where message_id = %s returning 1",
        sending,
    )
    rows("update kommo_messages set delivery_status = 'sending' where id = %s returning 1", sending)
    tick = app.handler({}, Context())
    assert (tick["expired"], tick["uncertain"], tick["turn"]) == (2, 1, 0)
    found = rows("select id::text, delivery_status from kommo_messages")
    assert set(found) == {(late, "expired"), (held, "expired"), (sending, "uncertain")}
    assert queued(aws["SEND_QUEUE_URL"]) == []


def test_a_queue_that_is_away_fails_no_tick_and_the_next_one_tries_again(
    load: Load, rows: Rows, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    customers(rows, 1, "25 hours")
    app = load("window_sweep")
    rows("update kommo_conversations set last_user_message_at = now() returning 1")
    message_id = send(app, rows)
    rows("update kommo_conversations set last_user_message_at = now() - interval '25 hours' returning 1")
    rows("update sends set due_at = now() returning 1")

    def away(*arguments: object, **more: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    with monkeypatch.context() as patched:
        patched.setattr(app.queue, "put", away)
        tick = app.handler({}, Context())
    assert (tick["turn"], tick["closed"], tick["published"], tick["left"]) == (1, 1, 1, 0)
    assert rows("select due_at between now() + interval '20 seconds' and now() + interval '30 seconds' from sends") == [
        (True,)
    ]
    rows("update sends set due_at = now() returning 1")
    assert app.handler({}, Context())["turn"] == 1
    assert queued(aws["SEND_QUEUE_URL"]) == [message_id]


def test_what_nobody_asks_for_any_more_is_forgotten(load: Load, rows: Rows) -> None:
    rows(
        "insert into idempotency_keys (caller, key, request_hash, created_at)"
        " values ('c', 'old', 'h', now() - interval '9 days'), ('c', 'new', 'h', now() - interval '7 days')"
    )
    assert load("window_sweep").handler({}, Context())["forgotten"] == 1
    assert rows("select key from idempotency_keys") == [("new",)]


@pytest.mark.parametrize(("ago", "counted"), [("4 minutes", 0), ("6 minutes", 1)])
def test_sends_that_stay_uncertain_and_addresses_that_are_stopped_are_shown(
    load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch, ago: str, counted: int
) -> None:
    customers(rows, 1, "1 hour")
    monkeypatch.setenv("SETTLE_AFTER_SECONDS", "300")
    app = load("window_sweep")
    send(app, rows)
    rows("update sends set phase = 'uncertain', claimed_at = now() - %s::interval returning 1", ago)
    rows("insert into business_addresses (provider, address, stopped_at) values ('meta', '1065', now())")
    shown: dict[str, float] = {}
    monkeypatch.setattr(app, "gauge", lambda name, value, **dimensions: shown.update({name: value}))
    app.handler({}, Context())
    assert (shown["UncertainSends"], shown["AddressesStopped"]) == (counted, 1)


def test_a_tick_ends_in_time_and_says_what_it_left(load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    customers(rows, 5, "25 hours")
    app = load("window_sweep")
    monkeypatch.setattr(app, "BATCH", 2)
    tick = app.handler({}, Context(remaining=1_000))
    assert (tick["closed"], tick["left"]) == (2, 1)
    assert app.handler({}, Context())["closed"] == 3


def test_a_bus_that_is_away_fails_no_tick(load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    customers(rows, 3, "25 hours")
    app = load("window_sweep")

    def away() -> int:
        raise EndpointConnectionError(endpoint_url="https://events")

    monkeypatch.setattr(app.outbox, "publish", away)
    tick = app.handler({}, Context())
    assert (tick["closed"], tick["published"], tick["left"]) == (3, 0, 0)
    assert rows("select count(*) from events where published_at is null") == [(3,)]


def test_what_was_published_is_counted_by_the_hour(load: Load, rows: Rows) -> None:
    """Half a minute later, and once; what was last done is remembered."""
    customers(rows, 1, "1 hour")
    app = load("window_sweep")
    rows(
        "insert into events (name, detail, occurred_at)"
        """ select 'MessageReceived', '{"provider": "meta"}', now() - interval '3 hours' returning 1"""
    )
    rows("update events set published_at = now() - interval '31 seconds' returning 1")
    rows("insert into sweep_progress (counted_to) values (now() - interval '1 minute') returning 1")
    assert [app.handler({}, Context())["counted"] for _ in range(2)] == [1, 0]
    assert rows("select provider, received, sent from hourly_statistics") == [("meta", 1, 0)]
    ((swept_at, tick),) = rows("select swept_at, tick from sweep_progress")
    assert swept_at > datetime.now(UTC) - timedelta(minutes=1)
    assert tick["counted"] == 0
    assert {"closed", "published", "left"} <= tick.keys()
    rows("delete from events returning 1")  # which tells too little to be published


def test_a_sweep_after_a_week_counts_before_it_forgets(load: Load, rows: Rows) -> None:
    app = load("window_sweep")
    rows(
        "insert into events (name, detail, occurred_at, published_at)"
        """ select 'MessageReceived', '{"provider": "meta"}', t, t from (select now() - interval '8 days' as t) t"""
        " returning 1"
    )
    rows("insert into sweep_progress (counted_to) values (now() - interval '9 days') returning 1")
    tick = app.handler({}, Context())
    assert (tick["counted"], tick["forgotten"]) == (1, 1)
    assert rows("select received from hourly_statistics") == [(1,)]
