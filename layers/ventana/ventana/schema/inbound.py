"""Recording what providers tell us: any number of items, one statement, one commit."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ventana.messages import Customer, InboundMessage, Item, Parked, StatusUpdate
from ventana.schema.connection import Database

RECORD_INBOUND = """
select place, outcome, message_id::text as message_id, conversation_id::text as conversation_id
  from record_inbound_v1(%s::jsonb, coalesce(%s::timestamptz, clock_timestamp()))
"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the item at `place`: a new row, one that we had, a status that moved a row or did not, a status
    whose message is not known yet, an echo of our own send, or something that could not be understood."""

    place: int
    outcome: Literal["recorded", "duplicate", "echo", "moved", "unchanged", "orphaned", "parked"]
    message_id: str | None
    conversation_id: str | None


def record_inbound(database: Database, items: Sequence[Item], received_at: datetime | None = None) -> list[Recorded]:
    """Store every item once, in one round trip. `received_at` defaults to the database's clock.

    Only a row that was really inserted causes a `MessageReceived` event. An item that the database refuses is parked
    and leaves the others alone. Raises StorageUnavailable when nothing was stored.
    """
    items_json = _dumped([_as_json(item) for item in items])
    return sorted(database.all(Recorded, RECORD_INBOUND, (items_json, received_at)), key=lambda row: row.place)


def _as_json(item: Item) -> dict[str, Any]:
    match item:
        case InboundMessage():
            return {
                "kind": "message",
                "provider": item.provider,
                "business_address": item.business_address,
                "provider_message_id": item.provider_message_id,
                "customer": _customer(item.customer),
                "role": item.role,
                "content_type": item.content_type,
                "content": item.content,
                "sent_at": item.sent_at.isoformat() if item.sent_at else None,
                "media_url": item.media_url,
                "channel": item.channel,
                "opens_window": item.opens_window and item.role == "user",
                "details": item.details,
                "raw": item.raw,
            }
        case StatusUpdate():
            return {
                "kind": "status",
                "provider": item.provider,
                "business_address": item.business_address,
                "provider_message_id": item.provider_message_id,
                "status": item.status,
                "at": item.at.isoformat() if item.at else None,
                "message_id": item.message_id,
                "error_code": item.error_code,
                "error_text": item.error_text,
                "window_shut": item.window_shut,
            }
        case Parked():
            whole = isinstance(item.raw, bytes)
            return {
                "kind": "parked",
                "provider": item.provider,
                "reason": item.reason,
                "raw": None if whole else item.raw,
                "body": base64.b64encode(item.raw).decode() if isinstance(item.raw, bytes) else None,
            }


def _customer(customer: Customer) -> dict[str, str | None]:
    return {
        "phone": customer.phone,
        "user_id": customer.user_id,
        "chat_id": customer.chat_id,
        "name": customer.name,
        "contact_id": customer.contact_id,
        "lead_id": customer.lead_id,
        "talk_id": customer.talk_id,
    }


def _dumped(items: list[dict[str, Any]]) -> str:
    """JSON that Postgres takes: no NUL, no lone surrogate, no number that is none. Cleaned only where needed."""
    try:
        text = json.dumps(items, allow_nan=False, default=str)
    except ValueError:
        return json.dumps(_clean(items), default=str)
    return json.dumps(_clean(items), default=str) if "\\u0000" in text or "\\ud" in text else text


def _clean(value: Any) -> Any:
    match value:
        case str():
            whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return whole.replace("\0", "")
        case Mapping():
            return {_clean(str(key)): _clean(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
    return value
