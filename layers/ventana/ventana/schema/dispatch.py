"""Handing messages over: claim, finish, each one statement and one commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from ventana.content import Content
from ventana.errors import (
    Misconfigured,
    NotFound,
    OptedOut,
    PairThrottled,
    SendError,
    Throttled,
    Uncertain,
    Unreachable,
    WindowShut,
)
from ventana.messages import Customer, OutboundMessage, Receipt
from ventana.providers.base import Pace
from ventana.schema.connection import Database

CLAIM = """
select outcome, reason, wait_seconds, message_id::text as message_id, conversation_id::text as conversation_id,
       provider, business_address, content, options, reply_to, attempts, phone, provider_user_id, kommo_chat_id,
       kommo_contact_id, kommo_lead_id, kommo_talk_id
  from claim_outbound_v2(%s, %s, %s::jsonb, %s, %s, %s::timestamptz)
"""
LEAVE = "select leave_outbound_v1(%s, coalesce(%s::timestamptz, clock_timestamp()) + %s)"
FINISH_SENT = "select finish_sent_v2(%s, %s, %s, 'sender', coalesce(%s::timestamptz, clock_timestamp()))"
FINISH_UNSENT = """
select status, stopped from finish_unsent_v2(%s, %s, %s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
FIND_INDICATED = """
select provider, business_address, provider_message_id from kommo_messages
 where id = %s and role = 'user' and provider_message_id is not null and business_address is not null
"""
BUSY = "another sender is at it"
"""The reason of claim_outbound_v2 to wait for a lease: it may last long, and mostly ends soon."""
CROWDED = "the address is not to send more at once"
"""Its reason to wait for the pace of an address, which all who wait try to use at the same moment."""
TRIES_UNREACHABLE = 8
TRIES_THROTTLED = 20  # a provider that is merely busy is waited for longer
KINDS: tuple[tuple[type[SendError], str], ...] = (
    (PairThrottled, "slow_pair"),
    (Throttled, "slow_address"),
    (Unreachable, "retry"),
    (Misconfigured, "stop_address"),
    (WindowShut, "window_shut"),
    (OptedOut, "opted_out"),
    (Uncertain, "uncertain"),
    (SendError, "failed"),
)
"""What each error asks of finish_unsent_v2; the first that fits."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sender got: with outcome "claimed" the message `message_id` is its own until the lease ends.

    That is the first in the line of its conversation, up to the message whose turn it is. wait: nothing may be sent
    before `wait_seconds` are over; done: the message needs no sender any more; not_found: there is no such message.
    """

    outcome: Literal["claimed", "wait", "done", "not_found"]
    reason: str | None
    wait_seconds: float | None
    message_id: str | None
    conversation_id: str | None
    provider: str | None
    business_address: str | None
    content: dict[str, Any] | None
    options: dict[str, Any] | None
    reply_to: str | None
    attempts: int | None
    phone: str | None
    provider_user_id: str | None
    kommo_chat_id: str | None
    kommo_contact_id: str | None
    kommo_lead_id: str | None
    kommo_talk_id: str | None

    def message(self, status_url: str) -> OutboundMessage:
        """The claimed message as its provider gets it."""
        return OutboundMessage(
            id=self.message_id or "",
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
            content=cast("Content", self.content or {}),
            status_url=status_url,
            reply_to=self.reply_to,
            options=self.options or {},
        )


@dataclass(frozen=True, slots=True)
class Unsent:
    """What became of a message that was not sent; `stopped`: its address is stopped since this moment."""

    status: str | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class Indicated:
    """A message of a customer, by the provider's name for it."""

    provider: str
    business_address: str
    provider_message_id: str


def paces_json(paces: Mapping[str, Pace]) -> str:
    """The providers' paces as claim_outbound takes them: made once, they never change."""
    return json.dumps(
        {
            name: {
                "messages_per_second": pace.messages_per_second,
                "pair_seconds": pace.pair_seconds,
                "pair_burst": pace.pair_burst,
            }
            for name, pace in paces.items()
        }
    )


def claim_outbound(
    database: Database,
    message_id: str,
    lane: str,
    paces: str,
    lease: timedelta,
    margin: timedelta,
    now: datetime | None = None,
) -> Claim:
    """Take the first message in line up to this one exclusively; window, wishes and pace are checked again."""
    found = database.one(Claim, CLAIM, (message_id, lane, paces, lease, margin, now))
    if found is None:
        raise NotFound("there is no message with this id")
    return found


def leave_outbound(database: Database, message_id: str, wait: timedelta, now: datetime | None = None) -> None:
    """Give a turn up: the sweep gives the message another after `wait`."""
    database.value(LEAVE, (message_id, now, wait))


def finish_sent(database: Database, message_id: str, receipt: Receipt, now: datetime | None = None) -> str | None:
    """The provider took it: keep its id and apply statuses that were faster. Returns the delivery status."""
    parameters = (message_id, receipt.provider_message_id, receipt.status, now)
    status: str | None = database.value(FINISH_SENT, parameters)
    return status


def finish_unsent(
    database: Database, message_id: str, error: SendError, wait: timedelta, now: datetime | None = None
) -> Unsent:
    """The provider did not take it, or we cannot know: in line again after `wait`, held, failed or uncertain.

    An answer that tells of more than this message slows or stops the customer's or our address, shuts the window, or
    remembers that the customer wants no such messages.
    """
    kind = next(kind for cls, kind in KINDS if isinstance(error, cls))
    tries = TRIES_THROTTLED if isinstance(error, Throttled) else TRIES_UNREACHABLE
    parameters = (message_id, kind, error.provider_code or error.code, str(error), wait, tries, now)
    return database.one(Unsent, FINISH_UNSENT, parameters) or Unsent(None, False)


def find_indicated(database: Database, message_id: str) -> Indicated | None:
    """The customer's message at which something is to be shown; None where there is no such message of theirs."""
    return database.one(Indicated, FIND_INDICATED, (message_id,))
