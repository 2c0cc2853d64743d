"""What providers tell us, as short as tests can say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ventana.messages import Customer, InboundMessage, Item, StatusUpdate
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
HELLO = InboundMessage(
    provider="twilio",
    business_address="+14155238886",
    provider_message_id="SM1",
    customer=Customer(phone="+5511987654321", name="Ana"),
    content_type="text",
    content="hola",
    sent_at=NOW,
)
SENT = replace(HELLO, provider_message_id="SM2", role="assistant", content="answer")


def outcomes(database: Database, items: list[Item], received_at: datetime | None = None) -> list[str]:
    return [row.outcome for row in record_inbound(database, items, received_at)]


def status(name: Any, provider_message_id: str = "SM2", **more: Any) -> StatusUpdate:
    return StatusUpdate("twilio", "+14155238886", provider_message_id, name, NOW, **more)
