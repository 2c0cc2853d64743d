"""Windows of conversations that are older than the columns they are kept in, computed from their messages.

Outside of the migrations, because it takes as long as there are conversations. They are read a page at a time without a
lock; the few rows that change are then locked for the moment that it takes, without waiting for anybody: a conversation
that somebody is writing to is passed over and comes last. What was done is remembered in `ventana_meta`, in the same
commit, so that it may be stopped at any time and goes on there. A second run finds nothing to change.

It tells nobody: windows that closed long ago are marked as announced.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

import psycopg

PAGE_ROWS = 500
WRITE_ROWS = 50  # as many rows are locked at once: for a few milliseconds
SAY_SECONDS = 5.0
BUSY_TRIES, BUSY_SECONDS = 50, 0.2
NOBODY = UUID(int=0)
Row: TypeAlias = tuple[UUID, datetime | None, str | None, dict[str, str], bool]
"""A conversation as it was read: id; when, to which address and to which others they wrote; whether that is news."""
TABLE = """
select pg_advisory_xact_lock(hashtext('ventana_meta.backfills'));  -- IF NOT EXISTS is no help to two at once
create schema if not exists ventana_meta;
create table if not exists ventana_meta.backfills (
    name text primary key,
    after uuid not null,
    busy uuid[] not null default '{}',
    looked_at bigint not null default 0,
    changed bigint not null default 0,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
)
"""
TAKE_UP = """
insert into ventana_meta.backfills as b (name, after) values ('windows', %(nobody)s)
on conflict (name) do update
   set after = case when b.finished_at is null then b.after else excluded.after end,
       looked_at = case when b.finished_at is null then b.looked_at else 0 end,
       changed = case when b.finished_at is null then b.changed else 0 end,
       busy = case when b.finished_at is null then b.busy else '{}' end,
       started_at = case when b.finished_at is null then b.started_at else excluded.started_at end,
       finished_at = null
returning b.after, b.busy, b.looked_at, b.changed
"""
KEEP = """
update ventana_meta.backfills
   set after = %(after)s, busy = %(busy)s, looked_at = %(looked_at)s, changed = %(changed)s,
       finished_at = case when %(finished)s then clock_timestamp() end
 where name = 'windows' and after = %(before)s and finished_at is null
"""
LEFT = "select count(*) from kommo_conversations where id > %s"

NEXT: LiteralString = """
with page as (select c.id from kommo_conversations c where c.id > %(after)s order by c.id limit %(rows)s)
"""
THESE: LiteralString = "with page as (select c.id from kommo_conversations c where c.id = any(%(ids)s))"
# What a conversation's messages tell: at which address of ours its customer is, when they last opened a window there
# (or at an address that nobody wrote down), and which windows at others are open still.
SEEN: LiteralString = """
, seen as (
    select c.id, c.channel, c.last_user_message_at, c.business_address, c.needs_template, c.window_warned_for,
           c.window_closed_for, m.told_at, m.told_address, coalesce(m.told_open, '{}') as told_open
      from page p
      join kommo_conversations c on c.id = p.id
      cross join lateral (
        select max(b.at) filter (where b.address is null or b.address = b.own) as told_at, min(b.own) as told_address,
               jsonb_object_agg(b.address, b.at)
               filter (where b.address <> b.own and b.at > %(now)s - window_length_v1(c.channel)) as told_open
          from (select a.address, a.at,
                       coalesce(c.business_address,
                                first_value(a.address) over (order by a.address is null, a.at desc nulls last)) as own
                  from (select nullif(k.business_address, '') as address,
                               max(least(k.created_at, %(now)s))
                               filter (where k.opens_window and k.created_at is not null) as at
                          from kommo_messages k
                         where k.conversation_id = c.id and k.role = 'user' group by 1) a) b) m
)
"""
HELD: LiteralString = """
with seen as (
    select c.id, c.channel, c.last_user_message_at, c.business_address, c.needs_template, c.window_warned_for,
           c.window_closed_for, t.told_at, t.told_address, t.told_open
      from jsonb_to_recordset(%(told)s::jsonb)
           as t (id uuid, told_at timestamptz, told_address text, told_open jsonb)
      join kommo_conversations c on c.id = t.id
     order by c.id for no key update of c skip locked
)
"""
# What the row should say. A window that closed a day ago or earlier was announced, or is no news any more.
JUDGED: LiteralString = """
, newest as (
    -- Who records by the hour of arrival is capped by the trigger at the begin of the transaction, a moment before.
    select s.id, s.channel, s.last_user_message_at, s.business_address, s.needs_template, s.window_warned_for,
           s.window_closed_for, s.told_address, s.told_open,
           case when s.told_at <= s.last_user_message_at + interval '1 minute' then s.last_user_message_at
                else coalesce(s.told_at, s.last_user_message_at) end as opened_at
      from seen s
), known as (
    select n.id, n.channel, n.opened_at, coalesce(n.business_address, n.told_address) as address, n.told_open,
           (n.last_user_message_at, n.business_address, n.needs_template, n.window_warned_for, n.window_closed_for)
           as before, n.needs_template, n.window_warned_for, n.window_closed_for,
           n.opened_at <= %(now)s - interval '48 hours' as long_ago
      from newest n
), judged as (
    select k.id, k.opened_at, k.address, k.before, k.told_open,
           case when k.opened_at is null then k.needs_template
                else window_length_v1(k.channel) is not null
                     and coalesce(window_closes_at_v1(k.channel, k.opened_at, k.window_closed_for) <= %(now)s, true)
           end as needs_template,
           case when k.long_ago then k.opened_at else k.window_warned_for end as warned_for,
           case when k.long_ago then k.opened_at else k.window_closed_for end as closed_for
      from known k
), opened as (
    select j.id, o.key as address, o.value::timestamptz as at
      from judged j, jsonb_each_text(j.told_open) o
     where o.key <> j.address
       and not exists (select from former_windows f
                        where f.conversation_id = j.id and f.business_address = o.key
                          and f.last_user_message_at >= o.value::timestamptz - interval '1 minute')
)
"""
READ: LiteralString = """
select s.id, s.told_at, s.told_address, s.told_open,
       (j.opened_at, j.address, j.needs_template, j.warned_for, j.closed_for) is distinct from j.before
       or exists (select from opened o where o.id = j.id) as changes
  from seen s join judged j on j.id = s.id order by s.id
"""
WRITE: LiteralString = """
, written as (
    update kommo_conversations c
       set last_user_message_at = j.opened_at, business_address = j.address, needs_template = j.needs_template,
           window_warned_for = j.warned_for, window_closed_for = j.closed_for
      from judged j
     where c.id = j.id
       and (j.opened_at, j.address, j.needs_template, j.warned_for, j.closed_for) is distinct from j.before
    returning c.id
), kept as (
    insert into former_windows as f (conversation_id, business_address, last_user_message_at)
    select o.id, o.address, o.at from opened o
    on conflict (conversation_id, business_address) do update
       set last_user_message_at = greatest(f.last_user_message_at, excluded.last_user_message_at)
    returning f.conversation_id
)
select (select count(*) from (select id from written union select conversation_id from kept) x),
       array(select s.id from seen s)
"""


@dataclass
class Progress:
    """How far it is: conversations looked at and changed, those that were busy, and how many there are."""

    after: UUID
    busy: list[UUID]
    looked_at: int
    changed: int
    total: int = 0
    finished: bool = False
    began: tuple[float, int] = (0.0, 0)

    def line(self) -> str:
        """The progress in words."""
        seconds, looked = time.monotonic() - self.began[0], self.looked_at - self.began[1]
        rate = looked / seconds if seconds > 0 else 0.0
        left = f"; {rate:.0f} a second, about {(self.total - self.looked_at) / rate:.0f} s left" if rate else ""
        return f"{self.looked_at} of {self.total} conversations, {self.changed} changed{left}"


def backfill(
    connection: psycopg.Connection,
    say: Callable[[str], None],
    over: Callable[[], bool] = lambda: False,
    *,
    rows: int = PAGE_ROWS,
    now: datetime | None = None,
) -> Progress:
    """Go on where the last run stopped, or begin again after one that finished; ends after a page when it is `over`."""
    progress = _take_up(connection)
    said = -SAY_SECONDS
    while not over():
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            say(progress.line())
        page = _read(connection, NEXT, {"after": progress.after, "rows": rows}, now)
        if not page.rows:
            return _finish(connection, say, over, progress, now)
        if not _write(connection, progress, page):
            say("another run is at it, and goes on")
            return progress
    say(f"{progress.line()}; stopped, and the next run goes on there")
    return progress


@dataclass(frozen=True)
class Page:
    """Conversations as they were read, and when."""

    rows: list[Row]
    now: datetime | None


def _take_up(connection: psycopg.Connection) -> Progress:
    connection.execute("set enable_seqscan = off")  # plans must hold when tables have grown since they were made
    with connection.transaction():
        connection.execute(TABLE)
    row = connection.execute(TAKE_UP, {"nobody": NOBODY}).fetchone()
    assert row is not None  # noqa: S101 - an insert that returns
    progress = Progress(*row)
    (left,) = connection.execute(LEFT, (progress.after,)).fetchone() or (0,)
    progress.total = progress.looked_at + left
    progress.began = time.monotonic(), progress.looked_at
    return progress


def _read(connection: psycopg.Connection, page: LiteralString, which: dict[str, Any], now: datetime | None) -> Page:
    if now is None:
        (now,) = connection.execute("select clock_timestamp()").fetchone() or (None,)
    return Page(connection.execute(page + SEEN + JUDGED + READ, {**which, "now": now}).fetchall(), now)


def _finish(
    connection: psycopg.Connection,
    say: Callable[[str], None],
    over: Callable[[], bool],
    progress: Progress,
    now: datetime | None,
) -> Progress:
    """Come back to those that somebody was writing to, and begin anew the next time."""
    for _ in range(BUSY_TRIES):
        if not progress.busy or over():
            break
        page = _read(connection, THESE, {"ids": progress.busy}, now)
        progress.busy = []
        with connection.transaction():
            _change(connection, progress, [row for row in page.rows if row[-1]], page.now)
            _keep(connection, progress, progress.after)
        time.sleep(BUSY_SECONDS if progress.busy else 0)
    progress.finished = not progress.busy
    _keep(connection, progress, progress.after)
    busy = f"; {len(progress.busy)} were busy all the time, and are left to the next run" if progress.busy else ""
    say(f"{progress.looked_at} conversations, {progress.changed} changed{busy}")
    return progress


def _write(connection: psycopg.Connection, progress: Progress, page: Page) -> bool:
    """Change what is to be changed, and remember how far it is, in short transactions.

    False where another run has remembered something else meanwhile.
    """
    for first in range(0, len(page.rows), WRITE_ROWS):
        rows = page.rows[first : first + WRITE_ROWS]
        with connection.transaction():
            _change(connection, progress, [row for row in rows if row[-1]], page.now)
            progress.looked_at += len(rows)
            if not _keep(connection, progress, rows[-1][0]):
                return False
    return True


def _change(connection: psycopg.Connection, progress: Progress, rows: list[Row], now: datetime | None) -> None:
    """Change these conversations; those that somebody has are busy."""
    if rows:
        told = [dict(zip(("id", "told_at", "told_address", "told_open"), row, strict=False)) for row in rows]
        parameters = {"told": json.dumps(told, default=str), "now": now}
        changed, held = connection.execute(HELD + JUDGED + WRITE, parameters).fetchone() or (0, [])
        progress.changed += changed
        progress.busy += [row[0] for row in rows if row[0] not in held]


def _keep(connection: psycopg.Connection, progress: Progress, after: UUID) -> bool:
    before, progress.after = progress.after, after
    return connection.execute(KEEP, {"before": before, **vars(progress)}).rowcount == 1
