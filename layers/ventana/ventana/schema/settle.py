"""What is not sent in the ordinary way: cancelled, tried again, settled when it was uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from ventana.content import Content
from ventana.errors import Conflict, NotFound, WindowClosed
from ventana.messages import Customer, OutboundMessage, Receipt
from ventana.schema.connection import Database
from ventana.send_queue import Turn

CANCEL = "select cancel_message_v1(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
RETRY = """
select outcome, message_id::text as message_id, conversation_id::text as conversation_id, lane
  from retry_message_v1(%s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
CLAIM_UNSETTLED = """
select message_id::text as message_id, conversation_id::text as conversation_id, provider, business_address, content,
       claimed_at, asked, phone, provider_user_id, kommo_chat_id, kommo_contact_id, kommo_lead_id, kommo_talk_id
  from claim_unsettled_v1(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
SETTLE = """
select outcome, settle_after, status, conversation_id::text as conversation_id, lane
  from settle_message_v1(%s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
SETTLE_SENT = "select finish_sent_v2(%s, %s, %s, 'listed', coalesce(%s::timestamptz, clock_timestamp()))"
Settled = Literal["sent", "failed", "untaken"]


@dataclass(frozen=True, slots=True)
class Retried:
    """The message that goes now: the same, or, where a provider had it once, one in its place."""

    outcome: str
    message_id: str
    conversation_id: str | None
    lane: str | None

    def turns(self) -> list[Turn]:
        """What is to be queued now."""
        if self.outcome != "accepted":
            return []
        return [Turn(self.message_id, self.conversation_id or "", self.lane or "reply")]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A send of which nobody knows whether the provider took it, `claimed_at` when it was handed over."""

    message_id: str
    conversation_id: str
    provider: str
    business_address: str
    content: dict[str, Any]
    claimed_at: datetime
    asked: int
    phone: str | None
    provider_user_id: str | None
    kommo_chat_id: str | None
    kommo_contact_id: str | None
    kommo_lead_id: str | None
    kommo_talk_id: str | None

    def message(self) -> OutboundMessage:
        """The message as its provider would know it."""
        return OutboundMessage(
            id=self.message_id,
            conversation_id=self.conversation_id,
            provider=self.provider,
            business_address=self.business_address,
            customer=Customer(
                phone=self.phone,
                user_id=self.provider_user_id,
                chat_id=self.kommo_chat_id,
                contact_id=self.kommo_contact_id,
                lead_id=self.kommo_lead_id,
                talk_id=self.kommo_talk_id,
            ),
            content=cast("Content", self.content),
            status_url="",
        )


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of settling: the delivery status now, and the turn of a message that is to be sent again."""

    outcome: Literal["settled", "too_early", "not_uncertain", "not_found"]
    settle_after: datetime | None
    status: str | None
    conversation_id: str | None
    lane: str | None


def cancel_message(database: Database, message_id: str, by: str, now: datetime | None = None) -> None:
    """Stop a message that no provider has. Raises Conflict for one that a provider has or may have, and NotFound."""
    outcome = database.value(CANCEL, (message_id, by, now))
    if outcome == "not_found":
        raise NotFound("there is no message of ours with this id")
    if outcome == "in_flight":
        raise Conflict("in_flight", "the provider has it or may have it: it can no longer be cancelled")
    if outcome == "too_late":
        raise Conflict("too_late", "its delivery has ended: there is nothing to cancel")


def retry_message(
    database: Database,
    message_id: str,
    by: str,
    expires_in: timedelta,
    margin: timedelta,
    now: datetime | None = None,
) -> Retried:
    """Send a message again that failed or expired. Raises Conflict, WindowClosed or NotFound where that cannot be."""
    found = database.one(Retried, RETRY, (message_id, by, expires_in, margin, now))
    if found is None or found.outcome == "not_found":
        raise NotFound("there is no message of ours with this id")
    if found.outcome == "window_closed":
        raise WindowClosed(None, found.conversation_id)
    if found.outcome == "opted_out":
        raise Conflict("opted_out", "the customer wants nothing but direct answers to what they write")
    if found.outcome == "uncertain":
        raise Conflict("uncertain", "the provider may have it: settle it first, or it may arrive twice")
    if found.outcome == "not_failed":
        raise Conflict("not_failed", "only what failed or expired, and was not replaced, can be tried again")
    return found


def claim_unsettled(database: Database, provider: str, limit: int, now: datetime | None = None) -> list[Unsettled]:
    """Uncertain sends of a provider that it is to be asked for now; nobody else gets them for some minutes."""
    return database.all(Unsettled, CLAIM_UNSETTLED, (provider, limit, now))


def settle_listed(database: Database, message_id: str, receipt: Receipt, now: datetime | None = None) -> str | None:
    """The provider lists it among what it took. Returns the delivery status."""
    status: str | None = database.value(SETTLE_SENT, (message_id, receipt.provider_message_id, receipt.status, now))
    return status


def settle_message(
    database: Database,
    message_id: str,
    settled: Settled,
    by: str,
    after: timedelta = timedelta(0),
    now: datetime | None = None,
) -> Settlement:
    """Somebody knows what became of it; "untaken" puts it in line again, or lets it expire.

    A person decides no earlier than `after` it was handed over: until then its status may still come.
    """
    found = database.one(Settlement, SETTLE, (message_id, settled, by, after, now))
    if found is None or found.outcome == "not_found":
        raise NotFound("there is no message of ours with this id")
    return found
