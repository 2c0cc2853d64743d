"""Taking answers in: one statement and one commit, with the window decided on the locked conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from ventana.content import COLUMN, Content, Template, summary
from ventana.errors import BadRequest, Conflict, NotFound, WindowClosed
from ventana.schema.connection import Database
from ventana.schema.inbound import dumped
from ventana.send_queue import Turn

ACCEPT = """
select outcome, conversation_id::text as conversation_id, message_ids::text[] as message_ids, status, closed_at
  from accept_outbound_v2(%s::jsonb, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
QUEUED = "select mark_queued_v1(%s::uuid[])"
TARGET = """
select c.provider, c.id::text as conversation_id from kommo_conversations c where c.id = %s
"""
DAY = timedelta(hours=24)
IfWindowClosed = Literal["reject", "template", "hold"]
Lane = Literal["reply", "bulk"]


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a request: nearly always the only one. `id` becomes the row of kommo_messages."""

    id: str
    content: Content


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """What a caller wants sent, checked already.

    To a conversation, or to the customer `to` (E.164 or user id) of a `provider`; from `sender`, an address of ours, or
    the one that the customer wrote to last. `caller` and `key` make a repeated request one; `request_hash` tells
    whether it is the same. `may_start`: a template may begin a conversation.
    """

    parts: Sequence[Part]
    caller: str
    conversation_id: str | None = None
    provider: str | None = None
    to: str | None = None
    sender: str | None = None
    if_window_closed: IfWindowClosed = "reject"
    fallback: Template | None = None
    reply_to: str | None = None
    lane: Lane = "reply"
    send_at: datetime | None = None
    expires_in: timedelta = DAY
    options: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    request_hash: str | None = None
    may_start: bool = True

    def as_json(self) -> dict[str, Any]:
        """The request as accept_outbound_v2 takes it."""
        return {
            "parts": [
                {
                    "id": part.id,
                    "content": part.content,
                    "summary": summary(part.content),
                    "content_type": COLUMN[part.content["type"]],
                }
                for part in self.parts
            ],
            "caller": self.caller,
            "conversation_id": self.conversation_id,
            "provider": self.provider,
            "to": self.to,
            "from": self.sender,
            "if_window_closed": self.if_window_closed,
            "fallback": self.fallback,
            "reply_to": self.reply_to,
            "lane": self.lane,
            "send_at": self.send_at.isoformat() if self.send_at else None,
            "expires_in": self.expires_in.total_seconds(),
            "options": self.options or None,
            "key": self.key,
            "request_hash": self.request_hash,
            "may_start": self.may_start,
        }


@dataclass(frozen=True, slots=True)
class Accepted:
    """Messages that are ours to deliver from now on: ids of kommo_messages, in order; accepted, or held."""

    message_ids: tuple[str, ...]
    conversation_id: str
    status: Literal["accepted", "held"]

    def turns(self, lane: Lane) -> list[Turn]:
        """What is to be queued now."""
        return [Turn(each, self.conversation_id, lane) for each in self.message_ids] if self.status != "held" else []


@dataclass(frozen=True, slots=True)
class _Decision:
    outcome: str
    conversation_id: str | None
    message_ids: list[str] | None
    status: Literal["accepted", "held"] | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Target:
    """The conversation that a request is for, and who carries its messages."""

    provider: str
    conversation_id: str


def find_target(database: Database, conversation_id: str) -> Target:
    """Who carries the messages of a conversation. Raises NotFound."""
    found = database.one(Target, TARGET, (conversation_id,))
    if found is None:
        raise NotFound("there is no conversation with this id")
    return found


def accept_outbound(
    database: Database, request: OutboundRequest, margin: timedelta, now: datetime | None = None
) -> Accepted:
    """Take a request in; the same caller, key and request get what was decided the first time.

    Raises WindowClosed when only a template may be sent and the request brings none; Conflict when the key was used for
    another request ("idempotency_conflict") or the customer wants only direct answers ("opted_out"); NotFound and
    BadRequest for a conversation, a message or an address of ours that there is not.
    """
    decided = database.one(_Decision, ACCEPT, (dumped(request.as_json()), margin, now))
    outcome = decided.outcome if decided else "not_found"
    if decided is not None and outcome == "accepted":
        return Accepted(tuple(decided.message_ids or ()), decided.conversation_id or "", decided.status or "accepted")
    if decided is not None and outcome == "window_closed":
        raise WindowClosed(decided.closed_at, decided.conversation_id)
    if outcome == "key_conflict":
        raise Conflict("idempotency_conflict", "this Idempotency-Key was used for another request; take a new one")
    if outcome == "opted_out":
        raise Conflict("opted_out", "the customer wants nothing but direct answers to what they write")
    if outcome == "reply_not_found":
        raise NotFound("reply_to is no message of this conversation")
    if outcome == "no_address":
        raise BadRequest("say from which of our addresses it is to be sent: the customer has written to none")
    if request.conversation_id is None:
        raise WindowClosed(None)
    raise NotFound("there is no conversation with this id")


def mark_queued(database: Database, message_ids: Sequence[str]) -> None:
    """Note that these are in the queue, unless a sender was faster."""
    database.value(QUEUED, (list(message_ids),))
