"""Recording what providers tell us: any number of items, one statement, one commit."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

from ventana.errors import RefusedByDatabase
from ventana.messages import (
    Customer,
    IdentityChange,
    InboundMessage,
    Item,
    Media,
    Parked,
    Preference,
    StatusUpdate,
)
from ventana.schema.connection import Database
from ventana.schema.direct import Texts
from ventana.send_queue import Turn

RECORD_INBOUND = """
select place, outcome, message_id, conversation_id, turns
  from record_inbound_v3(%s::jsonb, coalesce(%s::timestamptz, clock_timestamp()), %s)
"""
Outcome: TypeAlias = Literal[
    "recorded", "duplicate", "echo", "moved", "unchanged", "orphaned", "unmatched", "noticed", "parked"
]
ALONE = frozenset({"message", "status"})
"""What needs no guard where it comes alone: if the database refuses it, nothing else is lost with it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the item at `place`.

    recorded: a new row; duplicate: one that we had; echo: of our own send; moved, unchanged: a status, an identity or
    a preference that changed a row or did not; orphaned: a status whose message is not known yet; unmatched: an
    identity or preference of nobody we know; noticed: kept without consequence; parked: not understood, or refused.
    """

    place: int
    outcome: Outcome
    message_id: str | None
    conversation_id: str | None
    turns: list[dict[str, str]] | None = None
    """Messages of ours that are to be queued because of it: what was held, what goes in place of what failed."""


def turns_of(recorded: Sequence[Recorded]) -> list[Turn]:
    """What is to be queued now because of what was recorded."""
    return [Turn(**turn) for row in recorded for turn in row.turns or ()]


def record_inbound(database: Database, items: Sequence[Item], received_at: datetime | None = None) -> list[Recorded]:
    """Store every item once, in one round trip. `received_at` defaults to the database's clock.

    Only a row that was really inserted causes a `MessageReceived` event. An item that the database refuses is parked
    and leaves the others alone. Raises StorageUnavailable when nothing was stored.
    """
    return record_json(database, [as_json(item) for item in items], received_at)


def record_json(
    database: Database, items: Sequence[dict[str, Any]], received_at: datetime | None = None
) -> list[Recorded]:
    """Store items that are JSON already, as `as_json` makes them; all else is as in `record_inbound`."""
    text, received = dumped(list(items)), received_at.isoformat() if received_at else None
    if len(items) == 1 and items[0].get("kind") in ALONE:
        try:
            return [_recorded(row) for row in database.texts(RECORD_INBOUND, (text, received, "false"))]
        except RefusedByDatabase:
            pass  # once more, to park it
    found = database.texts(RECORD_INBOUND, (text, received, "true"))
    return sorted(map(_recorded, found), key=lambda row: row.place)


def _recorded(row: Texts) -> Recorded:
    place, outcome, message_id, conversation_id, turns = row
    return Recorded(
        int(place or 0), cast(Outcome, outcome), message_id, conversation_id, json.loads(turns) if turns else None
    )


def as_json(item: Item) -> dict[str, Any]:
    """An item as record_inbound_v3 takes it, and as it waits where the database cannot be reached."""
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
                "media": [_media(media) for media in item.media],
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
                "opted_out": item.opted_out,
                "retryable": item.retryable,
            }
        case IdentityChange():
            return {
                "kind": "identity",
                "provider": item.provider,
                "customer": _customer(item.customer),
                "previous": _customer(item.previous) if item.previous else None,
            }
        case Preference():
            return {
                "kind": "preference",
                "provider": item.provider,
                "customer": _customer(item.customer),
                "opted_out": item.opted_out,
                "at": item.at.isoformat() if item.at else None,
            }
        case Parked():
            return {
                "kind": "parked",
                "provider": item.provider,
                "park_as": item.kind,
                "reason": item.reason,
                "body": base64.b64encode(item.body).decode(),
                "content_type": item.content_type,
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


def _media(media: Media) -> dict[str, str]:
    names = ("url", "id", "mime_type", "sha256", "filename")
    return {name: value for name in names if (value := getattr(media, name))}


def dumped(items: Any, *, ascii_only: bool = False) -> str:
    """JSON that Postgres takes: no NUL, no lone surrogate, no number that is none. Cleaned only where needed."""
    try:
        text = json.dumps(items, allow_nan=False, ensure_ascii=False, default=str)
        text.encode()  # fails on half an emoji
    except ValueError:
        text = ""
    if not text or "\\u0000" in text:
        items = _clean(items)
    elif not ascii_only:
        return text
    return json.dumps(items, ensure_ascii=ascii_only, default=str)


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
