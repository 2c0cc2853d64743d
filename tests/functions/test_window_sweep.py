"""The sweep through its handler: windows closed, strays queued, events on the bus, and time kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.lambda_context import Context

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]


def customers(rows: Rows, number: int, ago: str) -> None:
    rows(
        "insert into kommo_conversations (provider, phone, last_user_message_at)"
        " select 'meta', '+55' || n || %s, now() - %s::interval from generate_series(1, %s) n returning 1",
        str(uuid4().int)[:6],
        ago,
        number,
    )


@pytest.fixture
def bus(aws: dict[str, str]) -> Callable[[], list[dict[str, Any]]]:
    """What arrived on the event bus since the last look."""
    queue = boto3.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    boto3.client("events").put_rule(Name="all", EventBusName="ventana", EventPattern='{"source": ["ventana"]}')
    boto3.client("events").put_targets(
        Rule="all",
        EventBusName="ventana",
        Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:heard"}],
    )

    def heard() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while entries := boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(entry["Body"]) for entry in entries]
            for entry in entries:
                boto3.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=entry["ReceiptHandle"])
        return found

    return heard


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


def test_a_stranded_send_is_queued_again(load: Load, rows: Rows, aws: dict[str, str]) -> None:
    customers(rows, 1, "1 hour")
    message_id = str(uuid4())
    rows(
        "select outcome from accept_outbound_v1(%s, (select id from kommo_conversations), null, null, 'text', 'x',"
        " interval '1 minute', now() - interval '2 minutes')",
        message_id,
    )
    assert load("window_sweep").handler({}, Context())["requeued"] == 1
    entries = boto3.client("sqs").receive_message(QueueUrl=aws["SEND_QUEUE_URL"])["Messages"]
    assert [entry["Body"] for entry in entries] == [message_id]


def test_a_tick_ends_in_time_and_says_what_it_left(load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    customers(rows, 5, "25 hours")
    app = load("window_sweep")
    monkeypatch.setattr(app, "BATCH", 2)
    tick = app.handler({}, Context(remaining=1_000))
    assert (tick["closed"], tick["left"]) == (2, 1)
    assert app.handler({}, Context())["closed"] == 3


def test_events_that_the_bus_refused_come_again(load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    customers(rows, 3, "25 hours")
    app = load("window_sweep")

    class Refusing:
        def put_events(self, Entries: list[Any]) -> dict[str, Any]:
            return {"Entries": [{"ErrorCode": "ThrottlingException"}, *({"EventId": "x"} for _ in Entries[1:])]}

    monkeypatch.setattr(app, "bus", Refusing())
    assert app.handler({}, Context())["published"] == 2
    assert rows("select count(*) from events where published_at is null") == [(1,)]
