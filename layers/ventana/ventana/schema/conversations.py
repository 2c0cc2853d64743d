"""Reading conversations, messages and statistics for the API; columns are always named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from ventana.schema.connection import Database

CONVERSATION_COLUMNS: LiteralString = """
    id::text as id, provider, status, channel, phone, provider_user_id, kommo_chat_id, contact_name, business_address,
    message_count, user_message_count, bot_message_count, last_message_at, last_user_message_at, window_closed_for,
    assigned_to, escalated_at, resolved_at, tags, created_at
"""
MESSAGE_COLUMNS: LiteralString = """
    id::text as id, conversation_id::text as conversation_id, provider, business_address, provider_message_id, role,
    content, content_type, media_url, metadata, delivery_status, error_code, error_text, created_at, received_at,
    coalesce((
        select jsonb_agg(jsonb_build_object(
                   'state', f.state, 'reference', f.reference, 'content_type', f.content_type, 'bytes', f.bytes,
                   'error', f.error) order by f.place)
          from message_media f where f.message_id = kommo_messages.id
    ), '[]') as media
"""
LIST: LiteralString = (
    "select" + CONVERSATION_COLUMNS + "from kommo_conversations"
    " where (%(provider)s::text is null or provider = %(provider)s)"
    " and (%(status)s::text is null or status = %(status)s)"
    " order by last_message_at desc nulls last, id limit %(limit)s"
)
ONE: LiteralString = "select" + CONVERSATION_COLUMNS + "from kommo_conversations where id = %s"
MESSAGES: LiteralString = (
    "select" + MESSAGE_COLUMNS + "from kommo_messages where conversation_id = %s"
    " order by created_at desc, received_at desc nulls last, id limit %s"
)
MESSAGE: LiteralString = "select" + MESSAGE_COLUMNS + "from kommo_messages where id = %s"
HISTORY = "select status, at, cause, error_code from message_status_history where message_id = %s order by id"
STATISTICS = "select provider, total, active, escalated, within_24h from active_conversations_by_provider"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One customer at one provider."""

    id: str
    provider: str
    status: str
    channel: str
    phone: str | None
    provider_user_id: str | None
    kommo_chat_id: str | None
    contact_name: str | None
    business_address: str | None
    message_count: int
    user_message_count: int
    bot_message_count: int
    last_message_at: datetime | None
    last_user_message_at: datetime | None
    window_closed_for: datetime | None
    assigned_to: str | None
    escalated_at: datetime | None
    resolved_at: datetime | None
    tags: list[str]
    created_at: datetime


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
    content_type: str
    media_url: str | None
    metadata: dict[str, Any] | None
    delivery_status: str | None
    error_code: str | None
    error_text: str | None
    created_at: datetime
    received_at: datetime | None
    media: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One step of a message's delivery: what it became, when, and who said so."""

    status: str
    at: datetime
    cause: str
    error_code: str | None


@dataclass(frozen=True, slots=True)
class ProviderStatistics:
    """One row of the view: conversations of a provider, and how many had a message of the customer within 24 hours."""

    provider: str
    total: int
    active: int
    escalated: int
    within_24h: int


def list_conversations(
    database: Database, provider: str | None = None, status: str | None = None, limit: int = 50
) -> list[Conversation]:
    """Conversations, the most recently active first."""
    parameters = {"provider": provider, "status": status, "limit": limit}

    return database.all(Conversation, LIST, parameters)


def find_conversation(database: Database, conversation_id: str) -> Conversation | None:
    """The conversation with this id."""

    return database.one(Conversation, ONE, (conversation_id,))


def messages_of(database: Database, conversation_id: str, limit: int = 100) -> list[Message]:
    """The latest messages of a conversation, oldest of them first."""

    return database.all(Message, MESSAGES, (conversation_id, limit))[::-1]


def find_message(database: Database, message_id: str) -> Message | None:
    """The message with this id."""

    return database.one(Message, MESSAGE, (message_id,))


def history_of(database: Database, message_id: str) -> list[StatusChange]:
    """Every delivery status that a message went through, oldest first."""
    return database.all(StatusChange, HISTORY, (message_id,))


def statistics(database: Database) -> list[ProviderStatistics]:
    """The view active_conversations_by_provider: all providers, zeros included."""
    return database.all(ProviderStatistics, STATISTICS)
