"""What has changed since a moment, for who looks on: asked every second, so that nothing new costs next to nothing.

Events tell most of it, and are found by when they were published, or happened and still wait for that. Messages that no
event tells of (what somebody of ours wrote elsewhere, or accepted for later) are told by their conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

from ventana.schema.connection import Database
from ventana.schema.lifecycle import HistoryEntry

SINCE: LiteralString = """
with told as materialized (
    (select e.name, e.detail from events e
      where e.published_at is null and e.occurred_at > %(since)s order by e.occurred_at desc limit %(most)s)
    union all
    (select e.name, e.detail from events e
      where e.published_at > %(since)s order by e.published_at desc limit %(most)s)
), active as materialized (
    select c.id, c.updated_at from kommo_conversations c
     where c.last_message_at > %(since)s - interval '1 minute' order by c.last_message_at desc limit %(most)s
), touched as materialized (
    select (t.detail ->> 'conversation_id')::uuid as id from told t where t.detail ? 'conversation_id'
    union
    select a.id from active a where a.updated_at > %(since)s
    union
    (select r.conversation_id from conversation_reads r where r.seen_at > %(since)s
      order by r.seen_at desc limit %(most)s)
)
select statement_timestamp() as at,
       (select count(*) from told) >= %(most)s or (select count(*) from active) >= %(most)s as too_many,
       array(select t.id::text from touched t where t.id is not null) as conversations,
       array(select distinct t.detail ->> 'merged_conversation_id' from told t
              where t.name = 'ConversationsMerged') as gone,
       array(select distinct t.detail ->> 'message_id' from told t
              where t.detail ->> 'conversation_id' = %(conversation_id)s and t.detail ? 'message_id') as messages
"""
RECEIVED: LiteralString = """
select m.id::text as id from kommo_messages m
 where m.conversation_id = %(conversation_id)s and m.received_at > %(since)s order by m.received_at desc limit 200
"""
HISTORY: LiteralString = """
select l.at, l.change, l.changed_by, l.detail
  from (select h.id, h.at, h.change, h.changed_by, h.detail from conversation_history h
         where h.conversation_id = %(conversation_id)s order by h.id desc limit 50) l
 where l.at > %(since)s order by l.id desc
"""
NOW = "select statement_timestamp()"

SLACK = timedelta(seconds=5)
"""How long a change may take from the time it bears to its commit, without being missed."""
MOST_TOLD = 2_000
MOST_CONVERSATIONS = 200
LONGEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Changed:
    """What has changed up to `at`: ids, and the history of the conversation that was asked about, the latest first.

    `reload`: more than can be told; then nothing else is.
    """

    at: datetime
    conversations: list[str]
    messages: list[str]
    history: list[HistoryEntry]
    gone: list[str]
    reload: bool


@dataclass(frozen=True, slots=True)
class _Told:
    at: datetime
    too_many: bool
    conversations: list[str]
    gone: list[str]
    messages: list[str]


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


def moment(database: Database) -> datetime:
    """Now, by the database's clock."""
    now: datetime = database.value(NOW)
    return now


def changes_since(database: Database, since: datetime, conversation_id: str | None = None) -> Changed:
    """What has changed since a moment of the database's clock, and a few seconds before."""
    parameters = {"since": since - SLACK, "conversation_id": conversation_id, "most": MOST_TOLD}
    told = database.one(_Told, SINCE, parameters)
    assert told is not None  # noqa: S101 - a statement without a FROM
    if told.too_many or len(told.conversations) > MOST_CONVERSATIONS or told.at - since > LONGEST:
        return Changed(told.at, [], [], [], [], reload=True)
    messages: Sequence[str] = told.messages
    history: list[HistoryEntry] = []
    if conversation_id in told.conversations:
        received = database.all(_Id, RECEIVED, parameters)
        messages = list(dict.fromkeys([*messages, *(row.id for row in received)]))
        history = database.all(HistoryEntry, HISTORY, parameters)
    gone = set(told.gone)
    return Changed(
        told.at,
        [each for each in told.conversations if each not in gone],
        list(messages),
        history,
        sorted(gone),
        reload=False,
    )
