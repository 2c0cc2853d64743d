"""The sender under real SQS events, with providers whose answers are scripted on a loopback server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]

TAKEN = {
    "twilio": (201, {"sid": "SM" + "2" * 32, "status": "queued"}),
    "meta": (200, {"messages": [{"id": "wamid.out"}]}),
    "kommo": (202, {"id": "9d3c7a5e-0000-4000-8000-000000000002"}),
}
CUSTOMERS = {
    "twilio": ("+14155238886", {"phone": "+5511987654321"}),
    "meta": ("1065", {"phone": "+5511987654321"}),
    "kommo": ("100", {"kommo_chat_id": "chat-1", "kommo_talk_id": "77"}),
}


@dataclass
class Peer:
    """A provider on loopback: answers as told, remembers what it was sent."""

    url: str = ""
    answer: tuple[int, Any] = (500, {})
    hang: float = 0
    drop: bool = False
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[Peer]:
    state = Peer()

    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            state.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(state.hang)
            if state.drop:
                return
            status, answer = state.answer
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    with serving(Handler) as origin:
        state.url = origin
        monkeypatch.setenv("SIMULATOR_URL", state.url)
        yield state


@pytest.fixture
def accepted(rows: Rows) -> Callable[[str], str]:
    """Store a customer who just wrote, and an accepted answer; its id."""

    def make(provider: str) -> str:
        address, customer = CUSTOMERS[provider]
        columns = ", ".join(customer)
        marks = ", ".join(["%s"] * len(customer))
        conversation = rows(
            f"insert into kommo_conversations (provider, business_address, last_user_message_at, {columns})"
            f" values (%s, %s, now(), {marks}) returning id",
            provider,
            address,
            *customer.values(),
        )[0][0]
        message_id = str(uuid4())
        found = rows(
            "select outcome from accept_outbound_v1(%s, %s, null, null, 'text', 'an answer', interval '1 minute')",
            message_id,
            conversation,
        )
        assert found == [("accepted",)]
        return message_id

    return make


@pytest.fixture
def deliver(load: Load, aws: dict[str, str], peer: Peer) -> Callable[..., list[str]]:
    """Put ids into the real queue, hand what comes out to the sender; returns the ids that are to come again."""
    queue = boto3.client("sqs")
    app = load("sender")
    app.http = app.transport(peer.url, connect_seconds=0.5, read_seconds=0.5)

    def send(*message_ids: str) -> list[str]:
        for message_id in message_ids:
            queue.send_message(
                QueueUrl=aws["SEND_QUEUE_URL"],
                MessageBody=message_id,
                MessageGroupId="conversation",
                MessageDeduplicationId=str(uuid4()),
            )
        received = queue.receive_message(
            QueueUrl=aws["SEND_QUEUE_URL"], MaxNumberOfMessages=10, AttributeNames=["All"]
        )["Messages"]
        records = [_record(entry) for entry in received]
        answer = app.handler({"Records": records}, Context())
        again = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in again:  # as Lambda does with what succeeded
                queue.delete_message(QueueUrl=aws["SEND_QUEUE_URL"], ReceiptHandle=record["receiptHandle"])
        return [record["body"] for record in records if record["messageId"] in again]

    return send


def _record(entry: Any) -> dict[str, Any]:
    return {
        "messageId": entry["MessageId"],
        "receiptHandle": entry["ReceiptHandle"],
        "body": entry["Body"],
        "attributes": entry["Attributes"],
        "messageAttributes": {},
        "md5OfBody": entry["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:send.fifo",
        "awsRegion": "us-east-1",
    }


STATE = "select delivery_status, provider_message_id, error_code from kommo_messages where id = %s"


@pytest.mark.parametrize(
    ("provider", "path", "status"),
    [
        ("twilio", "/2010-04-01/Accounts/AC" + "0" * 32 + "/Messages.json", "sending"),
        ("meta", "/v25.0/1065/messages", "sending"),
        ("kommo", "/api/v4/talks/77/send_message", "sent"),
    ],
)
def test_a_message_reaches_its_provider_once(
    deliver: Callable[..., list[str]],
    accepted: Callable[[str], str],
    peer: Peer,
    rows: Rows,
    provider: str,
    path: str,
    status: str,
) -> None:
    peer.answer = TAKEN[provider]
    message_id = accepted(provider)
    assert deliver(message_id) == []
    assert deliver(message_id) == [], "the same entry again, as queues do"
    assert [request[0] for request in peer.requests] == [path]
    assert rows(STATE, message_id)[0][0] == status
    assert rows(STATE, message_id)[0][1] in json.dumps(TAKEN[provider][1])


def test_twilio_reports_to_a_url_that_carries_our_id(
    deliver: Callable[..., list[str]], accepted: Callable[[str], str], peer: Peer
) -> None:
    peer.answer = TAKEN["twilio"]
    message_id = accepted("twilio")
    deliver(message_id)
    assert f"%2Fwebhooks%2Ftwilio%2Fstatus%3Fmessage_id%3D{message_id}" in peer.requests[0][2].decode()


@pytest.mark.parametrize(
    ("provider", "answer", "status", "again"),
    [
        ("twilio", (429, {"code": 20429, "message": "Too Many Requests", "status": 429}), "queued", True),
        ("twilio", (400, {"code": 63003, "message": "no", "status": 400}), "failed", False),
        ("twilio", (500, {"code": 20500, "message": "oops", "status": 500}), "uncertain", False),
        ("meta", (400, {"error": {"code": 131056, "message": "pair rate"}}), "queued", True),
        ("meta", (400, {"error": {"code": 131009, "message": "bad"}}), "failed", False),
        ("meta", (503, {"error": {"code": 131016, "message": "busy"}}), "uncertain", False),
        ("meta", (200, {"nothing": "readable"}), "uncertain", False),
        ("kommo", (429, {}), "queued", True),
        ("kommo", (422, {"title": "talk closed"}), "failed", False),
        ("kommo", (502, {}), "uncertain", False),
    ],
)
def test_what_a_provider_did_not_take(
    deliver: Callable[..., list[str]],
    accepted: Callable[[str], str],
    peer: Peer,
    rows: Rows,
    provider: str,
    answer: tuple[int, Any],
    status: str,
    again: bool,
) -> None:
    peer.answer = answer
    message_id = accepted(provider)
    assert deliver(message_id) == ([message_id] if again else [])
    found, _, code = rows(STATE, message_id)[0]
    assert (found, code is not None) == (status, True)


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
@pytest.mark.parametrize("fault", ["hang", "drop"])
def test_a_lost_answer_is_uncertain_and_never_sent_again(
    deliver: Callable[..., list[str]],
    accepted: Callable[[str], str],
    peer: Peer,
    rows: Rows,
    provider: str,
    fault: str,
) -> None:
    peer.answer = TAKEN[provider]
    peer.hang, peer.drop = (1, False) if fault == "hang" else (0, True)
    message_id = accepted(provider)
    assert deliver(message_id) == []
    assert rows(STATE, message_id)[0][0] == "uncertain"
    deliver(message_id)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
def test_a_provider_that_cannot_be_reached_is_tried_again(
    load: Load,
    accepted: Callable[[str], str],
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
) -> None:
    message_id = accepted(provider)
    app = load("sender")
    app.http = app.transport("http://127.0.0.1:1", connect_seconds=0.5, read_seconds=0.5)
    monkeypatch.setattr(app.queue, "delay", lambda handle, seconds: None)
    with pytest.raises(app.TryAgain):
        app.deliver(_Record(message_id))
    assert rows(STATE, message_id)[0][0] == "queued"


class _Record:
    receipt_handle = "handle"

    def __init__(self, body: str) -> None:
        self.body = body


def test_the_providers_word_shuts_the_window(
    deliver: Callable[..., list[str]], accepted: Callable[[str], str], peer: Peer, rows: Rows
) -> None:
    peer.answer = (400, {"error": {"code": 131047, "message": "Re-engagement message"}})
    message_id = accepted("meta")
    assert deliver(message_id) == []
    assert rows(STATE, message_id) == [("failed", None, "131047")]
    assert rows("select window_closed_for = last_user_message_at, needs_template from kommo_conversations") == [
        (True, True)
    ]


def test_a_window_that_shut_in_the_queue_is_respected(
    deliver: Callable[..., list[str]], accepted: Callable[[str], str], peer: Peer, rows: Rows
) -> None:
    message_id = accepted("meta")
    rows("update kommo_conversations set last_user_message_at = now() - interval '24 hours' returning 1")
    assert deliver(message_id) == []
    assert peer.requests == []
    assert rows(STATE, message_id) == [("failed", None, "window_closed")]


def test_one_that_must_wait_holds_back_what_is_behind_it(
    deliver: Callable[..., list[str]], accepted: Callable[[str], str], peer: Peer, rows: Rows
) -> None:
    peer.answer = (429, {"code": 20429})
    first = accepted("twilio")
    second = str(uuid4())
    rows(
        "select outcome from accept_outbound_v1(%s, (select id from kommo_conversations), null, null, 'text', 'more',"
        " interval '1 minute')",
        second,
    )
    assert deliver(first, second) == [first, second]
    assert len(peer.requests) == 1


def test_an_unknown_id_is_let_go(deliver: Callable[..., list[str]], peer: Peer) -> None:
    assert deliver(str(uuid4())) == []
    assert peer.requests == []
