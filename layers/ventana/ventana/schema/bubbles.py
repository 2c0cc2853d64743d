"""A conversation's messages as people know them: what reacts to a message, edits it or deletes it shows on it.

Such a message is a bubble of its own only where the one that it means is not known, or where it could not be sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from ventana.schema.bubble_details import details_of, template_of
from ventana.schema.connection import Database
from ventana.schema.message_pages import NEWEST, Place

# `at` is what bubbles are ordered by; messages that others made may have no time. `target` is the message that one is
# about, by the provider's id or, for ours, by our own.
OWN: LiteralString = """
with own as materialized (
    select m.id, coalesce(m.created_at, m.received_at, 'epoch') as at, m.provider_message_id, m.role, m.content,
           m.content_type, m.delivery_status,
           case when m.content_type = 'reaction' then 'reaction'
                when m.metadata ? 'edits' then 'edit' when m.metadata ? 'revokes' then 'deletion' end as about,
           coalesce(m.metadata ->> 'reaction_to', m.metadata ->> 'edits', m.metadata ->> 'revokes',
                    case when m.content_type = 'reaction' then m.metadata -> 'send' ->> 'reply_to' end) as target,
           m.metadata ->> 'sender_id' as person
      from kommo_messages m where m.conversation_id = %(conversation_id)s
), abouts as materialized (
    select o.id, o.at, o.about, o.target, o.role, o.content, o.person from own o
     where o.about is not null and o.target <> ''
       and o.delivery_status is distinct from 'failed' and o.delivery_status is distinct from 'expired'
       and o.delivery_status is distinct from 'cancelled'
), attached as materialized (
    select a.id, b.id as to_id, a.at, a.about, a.role, a.content, a.person
      from abouts a join own b on b.provider_message_id = a.target and b.id <> a.id
    union
    select a.id, b.id, a.at, a.about, a.role, a.content, a.person
      from abouts a join own b on b.id::text = a.target and b.id <> a.id
), page as materialized (
"""
NEWEST_FIRST: LiteralString = """
    select o.id, o.at from own o
     where (o.at, o.id) < (%(at)s, %(id)s::uuid) and not exists (select from attached a where a.id = o.id)
     order by o.at desc, o.id desc limit %(rows)s
"""
# Of a reaction the message that it shows on; of that one itself, be it about another, the same again.
THESE: LiteralString = """
    select o.id, o.at from own o
     where o.id in (select coalesce((select a.to_id from attached a where a.id = w limit 1), w)
                      from unnest(%(ids)s::uuid[]) w)
       and not exists (select from attached a where a.id = o.id)
"""
SHOWN: LiteralString = """
)
select m.id::text as id, m.conversation_id::text as conversation_id, m.role, m.delivery_status as status, m.content,
       m.content_type, p.at as created_at, m.received_at, m.business_address, coalesce(m.metadata, '{}') as metadata,
       m.provider_payload is null as ours, m.error_code, m.error_text, s.expires_at,
       (select jsonb_build_object('id', q.id, 'content', left(q.content, 200), 'role', q.role)
          from kommo_messages q
         where q.provider_message_id = nullif(m.metadata ->> 'reply_to', '') and q.conversation_id = m.conversation_id
         limit 1) as quoted,
       (select jsonb_build_object('id', q.id, 'content', left(q.content, 200), 'role', q.role)
          from kommo_messages q
         where q.id = (m.metadata -> 'send' ->> 'reply_to')::uuid
           and q.conversation_id = m.conversation_id) as answered,
       coalesce((
           select jsonb_agg(jsonb_build_object('about', a.about, 'role', a.role, 'content', a.content, 'at', a.at,
                                               'person', a.person) order by a.at, a.id)
             from attached a where a.to_id = m.id), '[]') as notes,
       coalesce((
           select jsonb_agg(jsonb_build_object(
                      'place', f.place, 'state', f.state, 'content_type', f.content_type,
                      'filename', f.source ->> 'filename', 'bytes', f.bytes, 'error', f.error) order by f.place)
             from message_media f where f.message_id = m.id), '[]') as media
  from page p join kommo_messages m on m.id = p.id left join sends s on s.message_id = m.id
 order by p.at desc, p.id desc
"""
PAGE: LiteralString = OWN + NEWEST_FIRST + SHOWN
SOME: LiteralString = OWN + THESE + SHOWN


@dataclass(frozen=True, slots=True)
class Quoted:
    """The message that one answers; null where we do not have it."""

    id: str | None
    content: str | None
    role: str | None


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody's reaction to a message."""

    emoji: str
    role: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BubbleFile:
    """A file of a message; the `place` is what its link is asked for by."""

    place: int
    state: str
    content_type: str | None
    filename: str | None
    bytes: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class NamedTemplate:
    """The template that went, or is to go."""

    name: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message as people know it, with its reactions, in its latest wording.

    `author` is who of us wrote it, `details` what it holds beside its text. `retryable`: it did not go, and may be
    tried again.
    """

    id: str
    conversation_id: str
    role: str
    status: str | None
    content: str
    content_type: str | None
    created_at: datetime
    received_at: datetime | None
    business_address: str | None
    author: str | None
    reply_to: Quoted | None
    reactions: list[Reacted]
    edited_at: datetime | None
    deleted_at: datetime | None
    details: dict[str, Any]
    media: list[BubbleFile]
    error_code: str | None
    error_text: str | None
    retryable: bool
    template: NamedTemplate | None
    replaced_by: str | None
    replaces: str | None
    send_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    conversation_id: str
    role: str
    status: str | None
    content: str
    content_type: str | None
    created_at: datetime
    received_at: datetime | None
    business_address: str | None
    metadata: dict[str, Any]
    ours: bool
    error_code: str | None
    error_text: str | None
    expires_at: datetime | None
    quoted: dict[str, Any] | None
    answered: dict[str, Any] | None
    notes: list[dict[str, Any]]
    media: list[dict[str, Any]]


def bubbles_of(
    database: Database, conversation_id: str, limit: int = 50, after: Place = NEWEST
) -> tuple[list[Bubble], Place | None]:
    """A conversation's bubbles after a place, the newest first, and where to go on; None at the end."""
    parameters = {"conversation_id": conversation_id, "at": after.at, "id": after.id, "rows": limit + 1}
    rows = database.all(_Row, PAGE, parameters)
    shown = rows[:limit]
    follows = Place(shown[-1].created_at, shown[-1].id) if len(rows) > limit and shown else None
    return [_bubble(row) for row in shown], follows


def bubbles_with(database: Database, conversation_id: str, ids: Sequence[str]) -> list[Bubble]:
    """The bubbles of a conversation on which these messages show, the newest first."""
    if not ids:
        return []
    rows = database.all(_Row, SOME, {"conversation_id": conversation_id, "ids": list(ids)})
    return [_bubble(row) for row in rows]


def _bubble(row: _Row) -> Bubble:
    send = row.metadata.get("send") or {}
    edits = [note for note in row.notes if note["about"] == "edit" and note["role"] == row.role]
    deletions = [note for note in row.notes if note["about"] == "deletion"]
    expires_at = row.expires_at or _time(send.get("expires_at"))
    return Bubble(
        id=row.id,
        conversation_id=row.conversation_id,
        role=row.role,
        status=row.status,
        content=edits[-1]["content"] if edits else row.content,
        content_type=row.content_type,
        created_at=row.created_at,
        received_at=row.received_at,
        business_address=row.business_address,
        author=send.get("accepted_by"),
        reply_to=_quoted(row),
        reactions=_reactions(row.notes),
        edited_at=_time(edits[-1]["at"]) if edits else None,
        deleted_at=_time(deletions[-1]["at"]) if deletions else None,
        details=details_of(row.metadata),
        media=[BubbleFile(**file) for file in row.media],
        error_code=row.error_code,
        error_text=row.error_text,
        retryable=_retryable(row),
        template=_template(row.metadata),
        replaced_by=row.metadata.get("replaced_by"),
        replaces=row.metadata.get("replaces"),
        send_at=_time(send.get("send_at")),
        expires_at=expires_at,
    )


def _quoted(row: _Row) -> Quoted | None:
    """What it answers, of a reaction nothing: what it is about has no text of its own here."""
    if row.content_type == "reaction":
        return None
    send = row.metadata.get("send") or {}
    if not (row.metadata.get("reply_to") or send.get("reply_to")):
        return None
    found = row.quoted or row.answered
    return Quoted(**found) if found else Quoted(None, None, None)


def _reactions(notes: Sequence[Mapping[str, Any]]) -> list[Reacted]:
    """Each person's latest reaction; an empty one takes back the one before."""
    latest = {(note["role"], note["person"]): note for note in notes if note["about"] == "reaction"}
    return [Reacted(note["content"], note["role"], _moment(note["at"])) for note in latest.values() if note["content"]]


def _retryable(row: _Row) -> bool:
    """As retry_message_v1 decides it, the window and what the customer wishes left aside."""
    replaced = row.metadata.get("replaced_by") is not None
    return row.role == "assistant" and row.ours and row.status in ("failed", "expired") and not replaced


def _template(metadata: Mapping[str, Any]) -> NamedTemplate | None:
    found = template_of(metadata)
    return NamedTemplate(*found) if found else None


def _time(text: Any) -> datetime | None:
    return _moment(text) if text else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
