"""Answers on their way out: accept, queue, claim, finish; each one statement and one commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ventana.errors import NotFound, SendError, Uncertain, WindowClosed, WindowShut
from ventana.messages import Customer, OutboundMessage, Receipt
from ventana.schema.connection import Database

ACCEPT = """
select outcome, conversation_id::text as conversation_id, status, closed_at
  from accept_outbound_v1(%s, %s, %s, %s, 'text', %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
QUEUED = """
with queued as (
    update kommo_messages set delivery_status = 'queued' where id = %(id)s and delivery_status = 'accepted' returning id
), told as (
    insert into message_status_history (message_id, status, at, cause)
    select id, 'queued', clock_timestamp(), 'api' from queued
)
select coalesce((select 'queued' from queued), (select delivery_status from kommo_messages where id = %(id)s))
"""
CLAIM = """
select outcome, conversation_id::text as conversation_id, provider, business_address, content, attempts,
       phone, provider_user_id, kommo_chat_id, kommo_contact_id, kommo_lead_id, kommo_talk_id
  from claim_outbound_v1(%s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
FINISH_SENT = "select finish_sent_v1(%s, %s, %s)"
FINISH_UNSENT = "select finish_unsent_v1(%s, %s, %s, %s, %s, %s)"
MAX_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Accepted:
    """An answer that is ours to deliver from now on: `id` is the row of kommo_messages."""

    id: str
    conversation_id: str
    status: str


@dataclass(frozen=True, slots=True)
class _Decision:
    outcome: Literal["accepted", "window_closed", "not_found"]
    conversation_id: str | None
    status: str | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sender got: with outcome "claimed" the message is its own until the lease ends.

    window_closed: it ended as failed, nothing may be sent; leased: another sender has it; uncertain: a sender died
    with it; done: it went already; not_found: there is no such message.
    """

    outcome: Literal["claimed", "window_closed", "leased", "uncertain", "done", "not_found"]
    conversation_id: str | None
    provider: str | None
    business_address: str | None
    content: str | None
    attempts: int | None
    phone: str | None
    provider_user_id: str | None
    kommo_chat_id: str | None
    kommo_contact_id: str | None
    kommo_lead_id: str | None
    kommo_talk_id: str | None

    def message(self, message_id: str, status_url: str) -> OutboundMessage:
        """The claimed message as its provider gets it."""
        return OutboundMessage(
            id=message_id,
            conversation_id=self.conversation_id or "",
            provider=self.provider or "",
            business_address=self.business_address or "",
            customer=Customer(
                phone=self.phone,
                user_id=self.provider_user_id,
                chat_id=self.kommo_chat_id,
                contact_id=self.kommo_contact_id,
                lead_id=self.kommo_lead_id,
                talk_id=self.kommo_talk_id,
            ),
            content={"type": "text", "body": self.content or ""},
            status_url=status_url,
        )


def accept_outbound(
    database: Database,
    message_id: str,
    text: str,
    margin: timedelta,
    *,
    conversation_id: str | None = None,
    provider: str | None = None,
    to: str | None = None,
    now: datetime | None = None,
) -> Accepted:
    """Take an answer in, for a conversation or for the customer `to` (E.164 or user id) of a provider.

    The window is decided in the database with the conversation's row locked. Raises WindowClosed when only a template
    may be sent, which is also so for a customer who never wrote; NotFound when there is no such conversation.
    """
    decision = database.one(_Decision, ACCEPT, (message_id, conversation_id, provider, to, text, margin, now))
    if decision is None or (decision.outcome == "not_found" and conversation_id is not None):
        raise NotFound("there is no conversation with this id")
    if decision.outcome != "accepted":
        raise WindowClosed(decision.closed_at, decision.conversation_id)
    return Accepted(message_id, decision.conversation_id or "", decision.status or "accepted")


def mark_queued(database: Database, message_id: str) -> str:
    """Note that the message is in the queue, unless a sender was faster; returns its delivery status."""
    return database.value(QUEUED, {"id": message_id}) or "accepted"


def claim_outbound(
    database: Database, message_id: str, lease: timedelta, margin: timedelta, now: datetime | None = None
) -> Claim:
    """Take a message exclusively, the window checked once more against the customer's last message."""

    found = database.one(Claim, CLAIM, (message_id, lease, margin, now))
    if found is None:
        raise NotFound("there is no message with this id")
    return found


def finish_sent(database: Database, message_id: str, receipt: Receipt) -> str | None:
    """The provider took it: keep its id and apply statuses that were faster. Returns the delivery status."""
    status: str | None = database.value(FINISH_SENT, (message_id, receipt.provider_message_id, receipt.status))
    return status


def finish_unsent(
    database: Database, message_id: str, error: SendError, max_attempts: int = MAX_ATTEMPTS
) -> str | None:
    """The provider did not take it, or we cannot know: queued again, failed or uncertain. Returns that status.

    When the provider says that the window is shut, ours is shut as well.
    """
    outcome = "uncertain" if isinstance(error, Uncertain) else "retry" if error.retryable else "failed"
    parameters = (
        message_id,
        outcome,
        error.provider_code or error.code,
        str(error),
        isinstance(error, WindowShut),
        max_attempts,
    )
    status: str | None = database.value(FINISH_UNSENT, parameters)
    return status
