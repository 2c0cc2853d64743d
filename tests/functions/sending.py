"""What tests of sending share: a provider that answers as told, customers who just wrote, the sender at its queues."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving
from ventana.providers.base import Pace
from ventana.schema.dispatch import paces_json
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound
from ventana.send_queue import Turn

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]

TAKEN = {
    "twilio": (201, {"sid": "SM" + "2" * 32, "status": "queued"}),
    "meta": (200, {"messages": [{"id": "wamid.out"}]}),
    "kommo": (202, {"id": "9d3c7a5e-0000-4000-8000-000000000002"}),
}
ADDRESSES = {"twilio": "+14155238886", "meta": "1065", "kommo": "100"}
FAST = Pace(messages_per_second=1000)
PLENTY = 60_000
STATE = "select delivery_status, provider_message_id, error_code from kommo_messages where id = %s"


@dataclass
class Peer:
    """A provider on loopback: answers as told, in the words of whoever is asked, and remembers what it was sent."""

    url: str = ""
    answer: tuple[int, Any] | None = None
    hang: float = 0
    drop: bool = False
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def sent(self) -> list[str]:
        """The texts that it was sent, in order."""
        return [text for _, _, body in self.requests for text in _texts(body)]

    def reply(self, path: str) -> tuple[int, Any]:
        """What it answers; without orders, that it took the message, under a new id."""
        if self.answer is not None:
            return self.answer
        number = len(self.requests)
        if "/Accounts/" in path:
            return 201, {"sid": f"SM{number:032}", "status": "queued"}
        return (202, {"id": f"k{number}"}) if "/talks/" in path else (200, {"messages": [{"id": f"wamid.{number}"}]})


def _texts(body: bytes) -> list[str]:
    try:
        content = json.loads(body)
    except ValueError:
        from urllib.parse import parse_qs

        return parse_qs(body.decode()).get("Body", [])
    text = content.get("text", "")
    return [text["body"] if isinstance(text, dict) else text] if text else [content.get("type", "")]


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[Peer]:
    """A provider on loopback; functions that are loaded after this send to it."""
    state = Peer()

    class Handler(Quiet):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            state.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(state.hang)
            if state.drop:
                return
            status, answer = state.reply(self.path)
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    with serving(Handler) as origin:
        state.url = origin
        monkeypatch.setenv("SIMULATOR_URL", state.url)
        monkeypatch.setenv("PROVIDER_TIMEOUT_MS", "500")
        yield state


class Desk:
    """The sender at its two queues, and what is put into them."""

    def __init__(self, app: Any, urls: dict[str, str], rows: Rows) -> None:
        self.app, self._urls, self._rows = app, urls, rows
        self._sqs = boto3.client("sqs")
        self._customers = 0
        self.delays: list[tuple[str, int]] = []
        """What the sender gave back, by lane, and for how many seconds."""
        self._delayed: list[tuple[str, str]] = []
        delay = app.queue.delay

        def delayed(lane: str, receipt_handle: str, seconds: int) -> None:
            self.delays.append((lane, seconds))
            self._delayed.append((lane, receipt_handle))
            delay(lane, receipt_handle, seconds and 3600)

        app.queue.delay = delayed

    def customer(self, provider: str = "kommo", wrote: str = "1 minute") -> str:
        """A customer who wrote so long ago; the id of their conversation."""
        self._customers += 1
        talk = str(self._customers) if provider == "kommo" else None
        found = self._rows(
            "insert into kommo_conversations (provider, business_address, last_user_message_at, phone, kommo_talk_id,"
            " kommo_chat_id) values (%s, %s, now() - %s::interval, %s, %s, %s) returning id::text",
            provider,
            ADDRESSES[provider],
            wrote,
            f"+55119876{self._customers:05}",
            talk,
            talk and f"chat-{talk}",
        )
        return str(found[0][0])

    def accept(self, conversation: str, text: str = "an answer", **wishes: Any) -> str:
        """An answer, accepted for the conversation; its id."""
        content = wishes.pop("content", {"type": "text", "body": text})
        request = OutboundRequest([Part(str(uuid4()), content)], "tests", conversation_id=conversation, **wishes)
        return accept_outbound(self.app.database, request, timedelta(minutes=1)).message_ids[0]

    def put(self, *message_ids: str, lane: str = "reply") -> None:
        """A turn for each."""
        for message_id in message_ids:
            found = self._rows("select conversation_id::text from kommo_messages where id::text = %s", message_id)
            conversation = found[0][0] if found else "nobody"
            self.app.queue.put([Turn(message_id, conversation, lane)], ticket=str(uuid4()))

    def turn(self, lane: str = "reply", remaining: int = PLENTY, receives: int | None = None) -> str | None:
        """Have the sender take the next turn; its body where it is to come again."""
        received = self._sqs.receive_message(QueueUrl=self._urls[lane], AttributeNames=["All"]).get("Messages", [])
        if not received:
            raise LookupError("no turn can be had from the queue")
        record = _received(received[0], self._urls[lane])
        if receives:
            record["attributes"]["ApproximateReceiveCount"] = str(receives)
        handle = record["receiptHandle"]
        try:
            answer = self.app.handler({"Records": [record]}, Context(remaining))
        except BaseException:
            self._sqs.change_message_visibility(QueueUrl=self._urls[lane], ReceiptHandle=handle, VisibilityTimeout=0)
            raise
        if answer["batchItemFailures"]:
            assert answer["batchItemFailures"] == [{"itemIdentifier": record["messageId"]}]
            return str(record["body"])
        self._sqs.delete_message(QueueUrl=self._urls[lane], ReceiptHandle=handle)
        return None

    def forget_turns(self) -> None:
        """Turns that were given back are lost."""
        for lane, handle in self._delayed:
            self._sqs.delete_message(QueueUrl=self._urls[lane], ReceiptHandle=handle)
        self._delayed.clear()

    def deliver(self, message_id: str, lane: str = "reply", **how: Any) -> str | None:
        """Queue a turn for the message and have the sender take it."""
        self.put(message_id, lane=lane)
        return self.turn(lane, **how)

    def state(self, message_id: str) -> str:
        """The message's delivery status."""
        return str(self._rows(STATE, message_id)[0][0])

    def states(self, *message_ids: str) -> list[str]:
        """The delivery status of each."""
        return [self.state(message_id) for message_id in message_ids]

    def time_passes(self) -> None:
        """What is to be tried again later, and addresses that wait, are due now; turns that were given back as well."""
        self._rows("update sends set not_before = now() where not_before is not null returning 1")
        self._rows(
            "update business_addresses set probe_at = least(probe_at, now()), free_at = least(free_at, now()),"
            " slowed_until = least(slowed_until, now()) returning 1"
        )
        for lane, handle in self._delayed:
            self._sqs.change_message_visibility(QueueUrl=self._urls[lane], ReceiptHandle=handle, VisibilityTimeout=0)
        self._delayed.clear()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What was told under this name, in order."""
        return [
            detail for (detail,) in self._rows("select detail from events where name = %s order by occurred_at", name)
        ]


def record_of(body: str, message_id: str = "1", url: str = "/send.fifo", **more: Any) -> dict[str, Any]:
    """An entry of a queue as Lambda hands it over."""
    attributes = {"ApproximateReceiveCount": "1", "MessageGroupId": body, "SentTimestamp": f"{time.time() * 1000:.0f}"}
    return {
        "messageId": message_id,
        "receiptHandle": "handle",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{url.rsplit('/', 1)[-1]}",
        "awsRegion": "us-east-1",
        **more,
    }


def _received(entry: Any, url: str) -> dict[str, Any]:
    handle, attributes = entry["ReceiptHandle"], entry["Attributes"]
    return record_of(entry["Body"], entry["MessageId"], url, receiptHandle=handle, attributes=attributes)


@pytest.fixture
def desk(load: Load, aws: dict[str, str], peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The sender, loaded, with paces that hold nobody up; what it gives back stays away until time_passes."""
    made = Desk(load("sender"), {"reply": aws["SEND_QUEUE_URL"], "bulk": aws["BULK_QUEUE_URL"]}, rows)
    pace(made, monkeypatch, FAST)
    return made


def pace(desk: Desk, monkeypatch: pytest.MonkeyPatch, pace: Pace) -> None:
    """Let every provider be sent to as fast as this."""
    monkeypatch.setattr(desk.app, "PACES", paces_json(dict.fromkeys(ADDRESSES, pace)))
