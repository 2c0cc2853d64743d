"""A customer writes STOP: remembered whoever carries it and however it comes in, and taken back by START."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.sending import record_of
from tests.functions.test_webhooks import KOMMO, TWILIO, meta, text
from ventana.errors import Conflict
from ventana.messages import Customer, InboundMessage
from ventana.providers.base import Page
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]

WISH = "select opted_out_at is not null, opted_out_by from kommo_conversations"
CHANGES = (
    "select detail ->> 'change', detail ->> 'by' from events where name = 'ConversationChanged' order by occurred_at"
)


def saying(provider: str, words: str, number: int = 1) -> Any:
    """A webhook with a customer's text."""
    return {
        "twilio": {**TWILIO, "MessageSid": f"SM{number:032}", "Body": words},
        "meta": meta({**text(number, words), "timestamp": str(1795348000 + number)}),
        "kommo": {
            **KOMMO,
            "message[add][0][id]": f"m{number}",
            "message[add][0][text]": words,
            "message[add][0][created_at]": str(1795348000 + number),
        },
    }[provider]


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
def test_stop_is_remembered_and_start_takes_it_back(load: Load, rows: Rows, events: Events, provider: str) -> None:
    app = load(f"{provider}_webhook")
    for number, words in enumerate(("hola", "¡Baja!"), 1):
        assert app.handler(events[provider](saying(provider, words, number)), None)["statusCode"] == 200
    assert rows(WISH) == [(True, "customer")]
    assert rows("select count(*) from kommo_messages") == [(2,)], "and is a message as any other"
    assert app.handler(events[provider](saying(provider, "gracias", 3)), None)["statusCode"] == 200
    assert rows(WISH) == [(True, "customer")]
    assert app.handler(events[provider](saying(provider, "START", 4)), None)["statusCode"] == 200
    assert rows(WISH) == [(False, None)]
    assert rows(CHANGES) == [("opted_out", "customer"), ("opted_in", "customer")]


def test_in_one_webhook_the_last_word_counts(load: Load, rows: Rows, events: Events) -> None:
    both = meta(
        {**text(1, "STOP"), "timestamp": "1795348001"},
        {**text(2, "ALTA"), "timestamp": "1795348002"},
        {**text(3, "Stop", "5511900000000"), "timestamp": "1795348003"},
    )
    assert load("meta_webhook").handler(events["meta"](both), None)["statusCode"] == 200
    assert set(rows("select phone, opted_out_at is not null from kommo_conversations")) == {
        ("+5511987654321", False),
        ("+5511900000000", True),
    }


def test_who_has_opted_out_gets_answers_and_no_offers(load: Load, rows: Rows, events: Events) -> None:
    assert load("meta_webhook").handler(events["meta"](saying("meta", "STOP")), None)["statusCode"] == 200
    rows("update kommo_conversations set last_user_message_at = now()")
    ((conversation,),) = rows("select id::text from kommo_conversations")
    database = load("window_sweep").database

    def send(lane: Any) -> None:
        part = Part(str(uuid4()), {"type": "text", "body": "x"})
        request = OutboundRequest([part], "tests", conversation_id=conversation, lane=lane)
        accept_outbound(database, request, timedelta(minutes=1))

    send("reply")
    with pytest.raises(Conflict, match="nothing but direct answers"):
        send("bulk")


def test_a_wish_that_waited_for_the_database_is_kept(
    load: Load, aws: dict[str, str], rows: Rows, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
        response = load("meta_webhook").handler(events["meta"](saying("meta", "STOP")), None)
    assert (response["statusCode"], rows(WISH)) == (200, [])
    sqs = boto3.client("sqs")
    (entry,) = sqs.receive_message(QueueUrl=aws["SPILL_QUEUE_URL"], AttributeNames=["All"])["Messages"]
    record = record_of(entry["Body"], receiptHandle=entry["ReceiptHandle"], attributes=entry["Attributes"])
    assert load("spill_drain").handler({"Records": [record]}, Context()) == {"batchItemFailures": []}
    assert rows(WISH) == [(True, "customer")]


def test_a_wish_that_was_not_understood_at_first_is_kept(
    load: Load, rows: Rows, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise IndexError

    with monkeypatch.context() as patched:
        patched.setattr("ventana.providers.meta.parse.parse", broken)
        assert load("meta_webhook").handler(events["meta"](saying("meta", "STOP")), None)["statusCode"] == 200
    ((parked_id,),) = rows("select id::text from parked_items")
    event = events["http"]("POST", f"/v1/parked/{parked_id}/replay")
    assert load("api").handler(event, Context())["statusCode"] == 200
    assert rows(WISH) == [(True, "customer")]


def test_a_wish_whose_webhook_was_lost_is_kept(load: Load, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = InboundMessage("twilio", "+14155238886", "SM1", Customer(phone="+5511987654321"), "text", "stop")
    monkeypatch.setenv("RECONCILE_PROVIDERS", "twilio")
    monkeypatch.setattr("ventana.providers.twilio.reconcile.missed", lambda *asked: iter([Page(1, [lost])]))
    assert load("reconcile").handler({}, Context(240_000))["twilio"]["recovered"] == 1
    assert rows(WISH) == [(True, "customer")]
