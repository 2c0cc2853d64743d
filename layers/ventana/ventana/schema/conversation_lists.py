"""Pages of conversations, the most recently active first, each with what a list shows beside it.

A page goes on where the one before ended, whatever has become of its conversations since. Provider and status are found
by an index that is in order already. What no index tells (the window, who waits, whose it is) is looked for among a
bounded number of conversations for each page: a page may be short, and even empty, though another follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString

from ventana.schema.connection import Database
from ventana.schema.conversations import CONVERSATION_COLUMNS, Conversation

# Beside the columns: how many of the customer's messages nobody has seen, which an answer of ours says as well; since
# when they wait; and the message that was written at the very moment at which the last one was, which an index finds.
BESIDE: LiteralString = """
    greatest(least(w.messages, coalesce(c.user_message_count, 0) - coalesce(r.seen_user_messages, 0)), 0)::integer
    as unread,
    w.since as waiting_since, l.message as last_message
"""
LOOKED_UP: LiteralString = """
  left join conversation_reads r on r.conversation_id = c.id
  left join lateral (
       select min(m.created_at) as since, count(*) as messages
         from kommo_messages m
        where m.conversation_id = c.id and m.role = 'user' and m.opens_window
          and m.created_at > coalesce(c.last_bot_response_at, '-infinity')
          and c.last_user_message_at > coalesce(c.last_bot_response_at, '-infinity')
  ) w on true
  left join lateral (
       select jsonb_build_object('id', m.id, 'role', m.role, 'content', left(m.content, 200),
                                 'content_type', m.content_type, 'status', m.delivery_status,
                                 'error_code', m.error_code, 'created_at', m.created_at) as message
         from kommo_messages m
        where m.created_at = c.last_message_at and m.conversation_id = c.id
        order by m.received_at desc nulls last, m.id desc limit 1
  ) l on true
"""
OF_IDS: LiteralString = (
    "select"
    + CONVERSATION_COLUMNS
    + ","
    + BESIDE
    + "from kommo_conversations c"
    + LOOKED_UP
    + "where c.id = any(%(ids)s::uuid[]) order by c.last_message_at desc nulls last, c.id"
)

# The window as ventana.window decides it, at one moment.
OPEN: LiteralString = """
    (window_length_v1(c.channel) is null
     or c.last_user_message_at is not null and c.window_closed_for is distinct from c.last_user_message_at
        and least(c.last_user_message_at, %(now)s) + window_length_v1(c.channel) > %(now)s + %(margin)s)
"""
FITS: LiteralString = (
    """
    ((%(provider)s::text is null or c.provider = %(provider)s)
     and (%(status)s::text is null or c.status = %(status)s)
     and (%(assigned_to)s::text is null or c.assigned_to = %(assigned_to)s)
     and (%(waiting)s::boolean is null
          or coalesce(c.last_user_message_at > coalesce(c.last_bot_response_at, '-infinity'), false) = %(waiting)s)
     and case %(window)s::text
         when 'open' then coalesce("""
    + OPEN
    + """, false)
         when 'shut' then not coalesce("""
    + OPEN
    + """, false)
         when 'closing' then coalesce("""
    + OPEN
    + """ and c.last_user_message_at + window_length_v1(c.channel) < %(now)s + %(margin)s + interval '1 hour', false)
         else true end)
"""
)
AFTER: LiteralString = " c.last_message_at <= %(at)s and (c.last_message_at < %(at)s or c.id > %(id)s::uuid) "
NEVER: LiteralString = " c.last_message_at is null and c.id > %(silent_id)s::uuid "
"""Conversations without a message come last, and have an order of their own; the index has them first."""
ORDER: LiteralString = " order by c.last_message_at desc, c.id limit %(scan)s"
CANDIDATE: LiteralString = " c.id, c.last_message_at," + FITS + "as fits from "
ANY: LiteralString = CANDIDATE + "kommo_conversations c where"
SILENT: LiteralString = ") union all (select" + ANY + NEVER
SILENT_ORDER: LiteralString = " order by c.id limit %(scan)s)"
ONE_STREAM: LiteralString = "(select" + ANY + AFTER + ORDER + SILENT + SILENT_ORDER
IN_ORDER: LiteralString = """
    conversations_in_order_v1(%(providers)s::text[], %(statuses)s::text[], %(at)s, %(id)s::uuid, %(scan)s) c
"""
OF_THESE: LiteralString = "and c.provider = any(%(providers)s::text[]) and c.status = any(%(statuses)s::text[])"
STREAMS: LiteralString = "(select" + CANDIDATE + IN_ORDER + SILENT + OF_THESE + SILENT_ORDER
SOON: LiteralString = """ c.id = any(array(
    select w.id
      from unnest(%(providers)s::text[]) p (name), lateral (
           select k.id from kommo_conversations k
            where k.provider = p.name and k.window_closed_for is distinct from k.last_user_message_at
              and k.last_user_message_at > %(now)s - interval '24 hours'
              and k.last_user_message_at < %(now)s + %(margin)s - interval '23 hours'
            order by k.last_user_message_at limit %(most)s) w)) and
"""
CLOSING_SOON: LiteralString = "(select" + ANY + SOON + AFTER + ORDER + ")"
FOUND: LiteralString = (
    "select" + ANY + " c.id = any(array(select id from found)) and (" + AFTER + "or" + NEVER + ")"  # noqa: S608 - as above
)
SEARCH: LiteralString = """
with found as materialized (
    select s.conversation_id as id,
           (array_agg(s.message_id order by s.place) filter (where s.message_id is not null))[1] as message_id
      from search_conversations_v1(%(q)s, %(most)s) with ordinality s (conversation_id, message_id, place)
     group by 1
), looked as materialized (
"""
LOOK: LiteralString = "with looked as materialized ("
PAGE: LiteralString = """
), bounded as materialized (
    select k.id, k.last_message_at, k.fits,
           row_number() over (order by k.last_message_at desc nulls last, k.id) = %(scan)s as last
      from looked k order by k.last_message_at desc nulls last, k.id limit %(scan)s
), page as materialized (
    select b.id, b.fits, b.last from bounded b
     where b.fits or b.last order by b.last_message_at desc nulls last, b.id limit %(rows)s
)
select
"""

ROW: LiteralString = CONVERSATION_COLUMNS + "," + BESIDE + ", p.fits, p.last"
LISTED: LiteralString = (
    ", null::jsonb as found from page p join kommo_conversations c on c.id = p.id"
    + LOOKED_UP
    + "order by c.last_message_at desc nulls last, c.id"
)
SHOWING_TEXT: LiteralString = (
    """
    , case when h.id is not null then jsonb_build_object(
        'message_id', h.id, 'created_at', h.created_at,
        'content', case when length(h.content) <= 200 then h.content
                        else ts_headline('spanish', left(h.content, 4096), websearch_to_tsquery('spanish', %(q)s),
                                         'StartSel="", StopSel="", MaxWords=30, MinWords=15, MaxFragments=1') end)
      end as found
  from page p join kommo_conversations c on c.id = p.id join found f on f.id = c.id
  left join kommo_messages h on h.id = f.message_id
"""
    + LOOKED_UP
    + "order by c.last_message_at desc nulls last, c.id"
)
LIST: LiteralString = LOOK + ONE_STREAM + PAGE + ROW + LISTED
LIST_BY_STATUS: LiteralString = LOOK + STREAMS + PAGE + ROW + LISTED
LIST_CLOSING: LiteralString = LOOK + CLOSING_SOON + PAGE + ROW + LISTED
LIST_FOUND: LiteralString = SEARCH + FOUND + PAGE + ROW + SHOWING_TEXT

SCANNED_ROWS = 5_000
"""How many conversations one page looks at at most where no index tells which fit."""
FOUND_ROWS = 200
"""How many conversations, and how many messages, a search looks at at most: the latest."""
STATUSES = ("active", "resolved", "escalated", "closed")
WindowState = Literal["open", "closing", "shut"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the conversation with this `id`, whose last message was written `at` this time."""

    at: datetime | None
    id: str


LEAST_ID = "00000000-0000-0000-0000-000000000000"
NEWEST = Place(datetime.max.replace(tzinfo=UTC), LEAST_ID)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations: None is whatever it is. `q` are words of the customer or of a message."""

    provider: str | None = None
    status: str | None = None
    window: WindowState | None = None
    waiting: bool | None = None
    assigned_to: str | None = None
    q: str | None = None

    @property
    def by_index(self) -> bool:
        """Whether indexes tell all that fit."""
        return self.window is None and self.waiting is None and self.assigned_to is None


@dataclass(frozen=True, slots=True)
class ListedConversation(Conversation):
    """A conversation as lists show it; `last_message` and `found` are as the views have them."""

    unread: int
    waiting_since: datetime | None
    last_message: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class FoundConversation(ListedConversation):
    """One that a page lists, and the message that it was found by, if any."""

    found: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Row(FoundConversation):
    fits: bool
    last: bool


def list_conversations(
    database: Database,
    wanted: Wanted = Wanted(),
    limit: int = 50,
    after: Place = NEWEST,
    *,
    now: datetime | None = None,
    margin: timedelta = timedelta(0),
    providers: Sequence[str] = (),
    scan: int = SCANNED_ROWS,
) -> tuple[list[FoundConversation], Place | None]:
    """Conversations after a place, the most recently active first, and where to go on; None at the end.

    `providers`: all that there are; `now` and `margin`: when, and how long before its end, a window counts as shut.
    """
    rows = database.all(_Row, _query(wanted), _parameters(wanted, limit, after, now, margin, providers, scan))
    shown = [row for row in rows if row.fits][:limit]
    follows = None
    if len(rows) > limit and shown:
        follows = Place(shown[-1].last_message_at, shown[-1].id)
    elif rows and rows[-1].last:
        follows = Place(rows[-1].last_message_at, rows[-1].id)
    return [_found(row) for row in shown], follows


def conversations_of(database: Database, ids: Sequence[str]) -> list[ListedConversation]:
    """These conversations as lists show them, the most recently active first."""
    return database.all(ListedConversation, OF_IDS, {"ids": list(ids)}) if ids else []


def _query(wanted: Wanted) -> LiteralString:
    if wanted.q is not None:
        return LIST_FOUND
    if wanted.window == "closing":
        return LIST_CLOSING
    return LIST if wanted.provider is None and wanted.status is None else LIST_BY_STATUS


def _parameters(
    wanted: Wanted,
    limit: int,
    after: Place,
    now: datetime | None,
    margin: timedelta,
    providers: Sequence[str],
    scan: int,
) -> dict[str, Any]:
    everything = wanted.by_index and wanted.q is None
    of_providers = [wanted.provider] if wanted.provider else list(providers)
    of_statuses = [wanted.status] if wanted.status else list(STATUSES)
    if _query(wanted) is LIST_BY_STATUS:
        scan //= max(1, len(of_providers) * len(of_statuses))  # as many are read of each
    return {
        "provider": wanted.provider,
        "status": wanted.status,
        "window": wanted.window,
        "waiting": wanted.waiting,
        "assigned_to": wanted.assigned_to,
        "q": wanted.q,
        "at": datetime.min.replace(tzinfo=UTC) if after.at is None else after.at,
        "id": after.id,
        "silent_id": after.id if after.at is None else LEAST_ID,
        "now": now or datetime.now(UTC),
        "margin": margin,
        "providers": of_providers,
        "statuses": of_statuses,
        "scan": limit + 1 if everything else max(scan, limit + 1),
        "rows": limit + 1,
        "most": FOUND_ROWS if wanted.q is not None else scan,
    }


def _found(row: _Row) -> FoundConversation:
    return FoundConversation(**{field.name: getattr(row, field.name) for field in fields(FoundConversation)})
