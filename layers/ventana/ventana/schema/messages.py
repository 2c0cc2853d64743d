"""Reading messages for the API: one with everything that is known of it, a conversation's, or a page of a list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from ventana.schema.connection import Database

COLUMNS: LiteralString = """
    m.id::text as id, m.conversation_id::text as conversation_id, m.provider, m.business_address,
    m.provider_message_id, m.role, m.content, m.content_type, m.media_url,
    case when m.metadata ? 'send' then m.metadata - array['content', 'send', 'sent_as', 'replaces', 'replaced_by']
         else m.metadata end as metadata,
    m.delivery_status, m.error_code, m.error_text, m.created_at, m.received_at,
    coalesce((
        select jsonb_agg(jsonb_build_object(
                   'state', f.state, 'reference', f.reference, 'content_type', f.content_type, 'bytes', f.bytes,
                   'error', f.error) order by f.place)
          from message_media f where f.message_id = m.id
    ), '[]') as media
"""
SENDING: LiteralString = """
    m.metadata -> 'content' as asked_for, m.metadata -> 'sent_as' as sent_as, m.metadata -> 'send' as wishes,
    m.metadata ->> 'replaces' as replaces, m.metadata ->> 'replaced_by' as replaced_by,
    (m.metadata -> 'send' ->> 'send_at')::timestamptz as send_at,
    coalesce(s.expires_at, (m.metadata -> 'send' ->> 'expires_at')::timestamptz) as expires_at,
    case when s.phase in ('ready', 'scheduled') then s.not_before end as next_try_at, s.attempts
"""
ONE: LiteralString = (
    "select"
    + COLUMNS
    + ","
    + SENDING
    + "from kommo_messages m left join sends s on s.message_id = m.id where m.id = %s"
)
OF_CONVERSATION: LiteralString = (
    "select" + COLUMNS + "from kommo_messages m where m.conversation_id = %s"
    " order by m.created_at desc, m.received_at desc nulls last, m.id limit %s"
)
HISTORY = "select status, at, cause, error_code from message_status_history where message_id = %s order by id"


@dataclass(frozen=True, slots=True)
class Message:
    """One row of kommo_messages, without the provider's own payload; `media` says what became of each of its files."""

    id: str
    conversation_id: str
    provider: str
    business_address: str | None
    provider_message_id: str | None
    role: str
    content: str
    content_type: str | None
    media_url: str | None
    metadata: dict[str, Any] | None
    delivery_status: str | None
    error_code: str | None
    error_text: str | None
    created_at: datetime
    received_at: datetime | None
    media: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class WholeMessage(Message):
    """A message and, where it is ours, what its sender wished and how sending it goes.

    `asked_for` is its content as it was accepted, `sent_as` the template that went in its place; `wishes` is as
    accept_outbound keeps them. `attempts` is None once there is nothing more to send.
    """

    asked_for: dict[str, Any] | None
    sent_as: dict[str, Any] | None
    wishes: dict[str, Any] | None
    replaces: str | None
    replaced_by: str | None
    send_at: datetime | None
    expires_at: datetime | None
    next_try_at: datetime | None
    attempts: int | None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One step of a message's delivery: what it became, when, and who said so."""

    status: str
    at: datetime
    cause: str
    error_code: str | None


def messages_of(database: Database, conversation_id: str, limit: int = 100) -> list[Message]:
    """The latest messages of a conversation, oldest of them first."""
    return database.all(Message, OF_CONVERSATION, (conversation_id, limit))[::-1]


def find_message(database: Database, message_id: str) -> WholeMessage | None:
    """The message with this id."""
    return database.one(WholeMessage, ONE, (message_id,))


def history_of(database: Database, message_id: str) -> list[StatusChange]:
    """Every delivery status that a message went through, oldest first."""
    return database.all(StatusChange, HISTORY, (message_id,))
