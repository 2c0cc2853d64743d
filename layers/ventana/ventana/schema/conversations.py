"""Reading conversations and statistics for the API; columns are always named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from ventana.schema.connection import Database

CONVERSATION_COLUMNS: LiteralString = """
    c.id::text as id, c.provider, c.status, c.channel, c.phone, c.provider_user_id, c.kommo_chat_id, c.contact_name,
    c.business_address, c.message_count, c.user_message_count, c.bot_message_count, c.last_message_at,
    c.last_user_message_at, c.window_closed_for, c.assigned_to, c.escalated_at, c.escalation_reason, c.resolved_at,
    c.opted_out_at, c.opted_out_by, coalesce(c.tags, '{}') as tags, c.created_at
"""
ONE: LiteralString = "select" + CONVERSATION_COLUMNS + "from kommo_conversations c where c.id = %s"
ADD_COUNTS = "select add_conversation_counts_v1()"
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
    escalation_reason: str | None
    resolved_at: datetime | None
    opted_out_at: datetime | None
    opted_out_by: str | None
    tags: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderStatistics:
    """One row of the view: conversations of a provider, and how many had a message of the customer within 24 hours."""

    provider: str
    total: int
    active: int
    escalated: int
    within_24h: int


def find_conversation(database: Database, conversation_id: str) -> Conversation | None:
    """The conversation with this id."""
    return database.one(Conversation, ONE, (conversation_id,))


def statistics(database: Database) -> list[ProviderStatistics]:
    """The view active_conversations_by_provider: all providers, zeros included."""
    return database.all(ProviderStatistics, STATISTICS)


def add_counts(database: Database) -> int:
    """Add the changes since the last time to the counts that `statistics` reads; how many there were."""
    return database.value(ADD_COUNTS) or 0
