"""Short ways to let customers write, and to accept, claim and finish answers, at simulated times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zlib import crc32

from tests.schema.conftest import rows
from ventana.content import Content, Template
from ventana.errors import SendError
from ventana.messages import Customer, InboundMessage, Receipt, StatusUpdate
from ventana.providers.base import Pace
from ventana.schema.connection import Database
from ventana.schema.dispatch import Claim, Unsent, claim_outbound, finish_sent, finish_unsent, paces_json
from ventana.schema.inbound import Recorded, record_inbound
from ventana.schema.outbound import Accepted, OutboundRequest, Part, accept_outbound

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0) - 30 * DAY
"""Long ago: what is simulated after it is still past for the trigger that caps a customer's time at now()."""
LATER = NOW + 25 * HOUR
"""When the window that opened at NOW is shut."""
MARGIN, LEASE = MINUTE, MINUTE
A, B = "+14155238886", "+15550001111"
PACES = paces_json({name: Pace(100_000) for name in ("kommo", "meta", "twilio")})
TEMPLATE: Template = {"type": "template", "content_sid": "HX1"}
OTHER_TEMPLATE: Template = {"type": "template", "content_sid": "HX2"}


def text(body: str = "an answer") -> Content:
    return {"type": "text", "body": body}


def somebody() -> Customer:
    """A customer whom nobody has heard of."""
    return Customer(phone=f"+5511{uuid4().int % 10**11:011}")


def our_address() -> str:
    """An address of ours that nobody has written to: what is claimed there at other times does not count."""
    return f"+1{uuid4().int % 10**12:012}"


def address_for(customer: Customer) -> str:
    """An address of ours that is written to by this customer alone: pace is per address, and tests share a clock."""
    return f"+1{crc32(repr(customer).encode()):010}"


def writes(
    database: Database, customer: Customer | None = None, to: str | None = None, at: datetime = NOW, **changes: Any
) -> Recorded:
    """A customer writes to an address of ours, for the first time where it is not said who."""
    customer = customer or somebody()
    message: dict[str, Any] = {
        "provider": "twilio",
        "business_address": to or address_for(customer),
        "provider_message_id": f"in-{uuid4()}",
        "customer": customer,
        "content_type": "text",
        "content": "hola",
        "sent_at": at,
    }
    return record_inbound(database, [InboundMessage(**{**message, **changes})], at)[0]


def conversation(
    database: Database, customer: Customer | None = None, to: str | None = None, at: datetime = NOW, **changes: Any
) -> str:
    """The conversation of a customer who has just written."""
    return str(writes(database, customer, to, at, **changes).conversation_id)


def request(*contents: Content, **changes: Any) -> OutboundRequest:
    parts = [Part(str(uuid4()), content) for content in contents or (text(),)]
    return OutboundRequest(parts, **{"caller": "desk", **changes})


def accept(database: Database, *contents: Content, at: datetime = NOW, **changes: Any) -> Accepted:
    return accept_outbound(database, request(*contents, **changes), MARGIN, at)


def answer(database: Database, to: str, *contents: Content, at: datetime = NOW, **changes: Any) -> str:
    """The id of an answer that was accepted for a conversation."""
    return accept(database, *contents, at=at, conversation_id=to, **changes).message_ids[0]


def claim(database: Database, message_id: str, at: datetime = NOW, lane: str = "reply", paces: str = PACES) -> Claim:
    return claim_outbound(database, message_id, lane, paces, LEASE, MARGIN, at)


def claimed(database: Database, message_id: str, at: datetime = NOW) -> str:
    """Claim a message that is first in its line."""
    found = claim(database, message_id, at)
    assert (found.outcome, found.message_id) == ("claimed", message_id), found
    return message_id


def sent(database: Database, message_id: str, at: datetime = NOW, name: str | None = None) -> str | None:
    """The provider takes a claimed message; its status is to be reported."""
    return finish_sent(database, message_id, Receipt(name or f"out-{message_id}"), at)


def unsent(
    database: Database, message_id: str, error: SendError, at: datetime = NOW, wait: timedelta = 2 * SECOND
) -> Unsent:
    return finish_unsent(database, message_id, error, wait, at)


def report(
    database: Database, message_id: str, status: Any, at: datetime = NOW, *, own_id: bool = False, **changes: Any
) -> Recorded:
    """The provider reports on a message that it took, by its own name for it; with `own_id` by ours as well."""
    address = rows(database, "select business_address from kommo_messages where id = %s", message_id)[0][0]
    item = StatusUpdate("twilio", address, f"out-{message_id}", status, at, message_id if own_id else None, **changes)
    return record_inbound(database, [item], at)[0]


def status_of(database: Database, message_id: str) -> str:
    return str(rows(database, "select delivery_status from kommo_messages where id = %s", message_id)[0][0])


def phase_of(database: Database, message_id: str) -> str | None:
    found = rows(database, "select phase from sends where message_id = %s", message_id)
    return str(found[0][0]) if found else None


def state_of(database: Database, message_id: str) -> tuple[str, str | None]:
    return status_of(database, message_id), phase_of(database, message_id)


def history_of(database: Database, message_id: str) -> list[tuple[str, str]]:
    return rows(
        database, "select status, cause from message_status_history where message_id = %s order by id", message_id
    )


def events_of(database: Database, name: str) -> list[dict[str, Any]]:
    return [row[0] for row in rows(database, "select detail from events where name = %s order by occurred_at", name)]
