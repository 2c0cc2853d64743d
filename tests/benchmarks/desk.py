"""An operators' desk in this process: customers who have just written, the API that takes answers in, the sender that
hands them to a provider, and a provider that takes each at once."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import uuid4

from tests.benchmarks.functions import QUEUE
from tests.benchmarks.webhooks import event_of
from tests.functions.lambda_context import Context
from ventana.http import HttpReply, HttpRequest
from ventana.providers.base import RawRequest
from ventana.schema.types import Connection

ADDRESSES = {"twilio": "+14155238886", "meta": "106540352242922", "kommo": "100"}
CUSTOMER = """
insert into kommo_conversations (provider, business_address, last_user_message_at, phone, kommo_chat_id, kommo_talk_id)
values (%(provider)s, %(address)s, now(), %(phone)s, %(chat)s, %(chat)s) returning id::text
"""


@dataclass
class Desk:
    """The API and the sender over one database."""

    connection: Connection
    api: ModuleType
    sender: ModuleType
    customers: int = 0

    def __post_init__(self) -> None:
        vars(self.sender)["http"] = answered_at_once

    def customer(self, provider: str) -> str:
        """The conversation of one who has just written."""
        self.customers += 1
        number = f"{self.customers:07d}"
        values = {
            "provider": provider,
            "address": ADDRESSES[provider],
            "phone": f"+1666{number}",
            "chat": f"{number}" if provider == "kommo" else None,
        }
        found = self.connection.execute(CUSTOMER, values).fetchone()
        assert found
        return str(found[0])

    def accept(self, event: dict[str, Any]) -> str:
        """Have the API take a message in; its id."""
        answer = self.api.handler(event, Context())
        if answer["statusCode"] != 202:
            raise SystemExit(f"the API refused: {answer['body']}")
        return str(json.loads(answer["body"])["id"])

    def send(self, message_id: str) -> None:
        """Have the sender take its turn."""
        if self.sender.handler({"Records": [_record(message_id)]}, Context(60_000))["batchItemFailures"]:
            raise SystemExit("a message was not sent")


def asked(conversation_id: str) -> dict[str, Any]:
    """The request of an operator, as API Gateway hands it over."""
    body = {"conversation_id": conversation_id, "type": "text", "text": {"body": "Claro, en roble."}}
    headers = {"content-type": "application/json"}
    return event_of(RawRequest("POST", "https://ventana.example/v1/messages", headers, json.dumps(body).encode()))


def _record(message_id: str) -> dict[str, Any]:
    """A turn as Lambda hands it over."""
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": f"{time.time() * 1000:.0f}"}
    return {
        "messageId": "1",
        "receiptHandle": "handle",
        "body": message_id,
        "attributes": attributes | {"MessageGroupId": message_id},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{QUEUE.rpartition('/')[2]}",
        "awsRegion": "us-east-1",
    }


def answered_at_once(request: HttpRequest) -> HttpReply:
    """Whichever provider is asked takes the message, under a new id."""
    name = f"out.{uuid4().hex}"
    if "/Accounts/" in request.url:
        return HttpReply(201, json.dumps({"sid": name, "status": "queued"}).encode())
    if "/talks/" in request.url:
        return HttpReply(202, json.dumps({"id": name}).encode())
    return HttpReply(200, json.dumps({"messages": [{"id": name}]}).encode())
