"""Reading conversations and statistics for the API; columns are always named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from ventana.schema.connection import Database

CONVERSATION_COLUMNS: LiteralString = """
    id::text as id, provider, status, channel, phone, provider_user_id, kommo_chat_id, contact_name, business_address,
    message_count, user_message_count, bot_message_count, last_message_at, last_user_message_at, window_closed_for,
    assigned_to, escalated_at, escalation_reason, resolved_at, opted_out_at, opted_out_by,
    coalesce(tags, '{}') as tags, created_at
"""
_WANTED: LiteralString = (
    " and (%(provider)s::text is null or c.provider = %(provider)s)"
    " and (%(status)s::text is null or c.status = %(status)s)"
)
# Those without a message come last, and the index, as the seed has it, puts them first: asked for apart from the
# others, they leave it to the index to find a page.
LIST: LiteralString = (
    "select" + CONVERSATION_COLUMNS + "from kommo_conversations join ("  # noqa: S608 - nothing in it is from elsewhere
    "(select c.id from kommo_conversations c where c.last_message_at is not null" + _WANTED + ""
    " order by c.last_message_at desc, c.id limit %(limit)s)"
    " union all "
    "(select c.id from kommo_conversations c where c.last_message_at is null" + _WANTED + ""
    " order by c.id limit %(limit)s)) found (found_id) on id = found_id"
    " order by last_message_at desc nulls last, id limit %(limit)s"
)
ONE: LiteralString = "select" + CONVERSATION_COLUMNS + "from kommo_conversations where id = %s"
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


def list_conversations(
    database: Database, provider: str | None = None, status: str | None = None, limit: int = 50
) -> list[Conversation]:
    """Conversations, the most recently active first."""
    parameters = {"provider": provider, "status": status, "limit": limit}
    return database.all(Conversation, LIST, parameters)


def find_conversation(database: Database, conversation_id: str) -> Conversation | None:
    """The conversation with this id."""
    return database.one(Conversation, ONE, (conversation_id,))


def statistics(database: Database) -> list[ProviderStatistics]:
    """The view active_conversations_by_provider: all providers, zeros included."""
    return database.all(ProviderStatistics, STATISTICS)
