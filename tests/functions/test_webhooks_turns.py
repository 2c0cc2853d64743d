"""What a webhook sets going: answers that were held until the customer writes, and those in place of failed ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.sending import Desk, Peer, record_of
from tests.functions.test_webhooks import meta, text
from ventana.messages import Customer, InboundMessage
from ventana.providers.base import Page

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]

WRITES = meta(text(1, "hola", "5511987600001"))


@pytest.fixture
def held(desk: Desk) -> str:
    """An answer that waits for the customer to write; its id."""
    message_id = desk.accept(desk.customer("meta", wrote="25 hours"), if_window_closed="hold")
    assert desk.state(message_id) == "held"
    return message_id


def test_what_was_held_goes_when_the_customer_writes(
    desk: Desk, peer: Peer, load: Load, events: Events, held: str
) -> None:
    assert load("meta_webhook").handler(events["meta"](WRITES), None)["statusCode"] == 200
    assert desk.turn() is None
    assert (desk.state(held), peer.sent()) == ("sending", ["an answer"])
    assert load("meta_webhook").handler(events["meta"](WRITES), None)["statusCode"] == 200
    with pytest.raises(LookupError):
        desk.turn()


def test_a_bulk_message_that_was_held_goes_in_its_lane(desk: Desk, load: Load, events: Events) -> None:
    message_id = desk.accept(desk.customer("meta", wrote="25 hours"), if_window_closed="hold", lane="bulk")
    load("meta_webhook").handler(events["meta"](WRITES), None)
    assert desk.turn("bulk") is None
    assert desk.state(message_id) == "sending"


def test_what_was_held_goes_also_after_an_outage(
    desk: Desk, load: Load, events: Events, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
        assert load("meta_webhook").handler(events["meta"](WRITES), None)["statusCode"] == 200
    sqs = boto3.client("sqs")
    (entry,) = sqs.receive_message(QueueUrl=aws["SPILL_QUEUE_URL"], AttributeNames=["All"])["Messages"]
    record = record_of(entry["Body"], receiptHandle=entry["ReceiptHandle"], attributes=entry["Attributes"])
    assert load("spill_drain").handler({"Records": [record]}, Context()) == {"batchItemFailures": []}
    assert desk.turn() is None
    assert desk.state(held) == "sending"


def test_what_was_held_goes_also_when_the_webhook_was_lost(
    desk: Desk, load: Load, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    message_id = desk.accept(desk.customer("twilio", wrote="25 hours"), if_window_closed="hold")
    lost = InboundMessage("twilio", "+14155238886", "SM1", Customer(phone="+5511987600001"), "text", "hola")
    monkeypatch.setenv("RECONCILE_PROVIDERS", "twilio")
    monkeypatch.setattr("ventana.providers.twilio.reconcile.missed", lambda *asked: iter([Page(1, [lost])]))
    load("reconcile").handler({}, Context(240_000))
    assert desk.turn() is None
    assert desk.state(message_id) == "sending"


def test_what_failed_without_reaching_the_customer_is_sent_again_as_another(
    desk: Desk, peer: Peer, load: Load, events: Events, rows: Rows
) -> None:
    """Meta takes a message and says later that it had no room for it."""
    failed = desk.accept(desk.customer("meta"))
    desk.deliver(failed)
    ((provider_id,),) = rows("select provider_message_id from kommo_messages where id = %s", failed)
    status = {
        "id": provider_id,
        "status": "failed",
        "timestamp": "1795348000",
        "recipient_id": "5511987600001",
        "errors": [{"code": 130429, "title": "Rate limit hit"}],
    }
    hook = meta(statuses=[status])
    assert load("meta_webhook").handler(events["meta"](hook), None)["statusCode"] == 200
    assert desk.state(failed) == "failed"
    assert desk.turn() is not None, "not at once"
    desk.time_passes()
    assert desk.turn() is None
    assert peer.sent() == ["an answer", "an answer"]
    ((other,),) = rows("select metadata ->> 'replaced_by' from kommo_messages where id = %s", failed)
    assert desk.state(other) == "sending"


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[None]:
    """Queues and a bus that take connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for service in ("SQS", "EVENTBRIDGE"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield


def test_a_webhook_is_answered_in_time_although_neither_queue_nor_bus_answers(
    desk: Desk, load: Load, events: Events, rows: Rows, held: str, silent: None
) -> None:
    app = load("meta_webhook")
    app.handler(events["meta"]({}), None)  # imports and connections are another matter
    started = time.monotonic()
    assert app.handler(events["meta"](WRITES), None)["statusCode"] == 200
    assert time.monotonic() - started < 4
    assert desk.state(held) == "queued"
    assert rows("select due_at <= now() + interval '1 minute' from sends") == [(True,)], "the sweep gives it its turn"
