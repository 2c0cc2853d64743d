"""What an overview shows: messages by the hour, which the sweep counts from published events, and open windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from psycopg.types.json import Jsonb

from ventana.schema.connection import Database

Step: TypeAlias = Literal["hour", "day"]

COUNT = "select counted, behind from count_events_v1(%s, coalesce(%s::timestamptz, clock_timestamp()))"
FINISH_SWEEP = "select finish_sweep_v1(%s, coalesce(%s::timestamptz, clock_timestamp()))"
PROGRESS = "select counted_to, swept_at, tick from sweep_progress"
SERIES = """
select date_trunc(%(step)s, hour, 'UTC') as at, provider, sum(received)::bigint as received,
       sum(accepted)::bigint as accepted, sum(sent)::bigint as sent, sum(delivered)::bigint as delivered,
       sum(read)::bigint as read, sum(failed)::bigint as failed
  from hourly_statistics where hour >= %(since)s
 group by 1, 2 order by 1, 2
"""
FAILURES = """
select provider, error_code, sum(count)::bigint as count from hourly_failures where hour >= %s
 group by provider, error_code order by 3 desc, provider, error_code limit %s
"""
# Only windows that are open are looked at. A telegram chat has none.
WINDOWS = """
select provider, count(*) as open, count(*) filter (where last_user_message_at <= %(now)s + %(within)s - interval
       '24 hours' and window_length_v1(channel) is not null) as closing
  from kommo_conversations
 where provider = any(%(providers)s) and window_closed_for is distinct from last_user_message_at
   and last_user_message_at > %(now)s - interval '24 hours' and last_user_message_at <= %(now)s
 group by provider order by provider
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events were looked at, and whether more of them wait."""

    counted: int
    behind: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Up to when events are counted; when the last sweep ended, and how many of each it did, null before the first."""

    counted_to: datetime
    swept_at: datetime | None
    tick: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class Flow:
    """What came and went in the hour or day (UTC) that begins at `at`.

    `accepted`: sent then, or ended then without being sent. `delivered` and `read`: of what was sent then.
    """

    at: datetime
    provider: str
    received: int = 0
    accepted: int = 0
    sent: int = 0
    delivered: int = 0
    read: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Failures:
    """How many messages failed or expired for one reason, in the provider's code or ours."""

    provider: str
    error_code: str
    count: int


@dataclass(frozen=True, slots=True)
class OpenWindows:
    """How many conversations of a provider have an open window, and how many of these soon shut."""

    provider: str
    open: int
    closing: int


def count_events(database: Database, limit: int, now: datetime | None = None) -> Counted:
    """Count about `limit` published events more into the hours in which they happened, each exactly once."""
    return database.one(Counted, COUNT, (limit, now)) or Counted(0, False)


def finish_sweep(database: Database, tick: dict[str, int], now: datetime | None = None) -> None:
    """Note what a sweep has done; one that began before another ended does not take its place."""
    database.value(FINISH_SWEEP, (Jsonb(tick), now))


def progress(database: Database) -> Progress | None:
    """How far events are counted, and the last sweep."""
    return database.one(Progress, PROGRESS)


def flows(database: Database, since: datetime, step: Step) -> list[Flow]:
    """What came and went from `since`, the beginning of an hour, on; steps without anything are left out."""
    return database.all(Flow, SERIES, {"since": since, "step": step})


def failures(database: Database, since: datetime, limit: int = 20) -> list[Failures]:
    """Why messages failed since then, the most frequent reason first."""
    return database.all(Failures, FAILURES, (since, limit))


def open_windows(database: Database, providers: Sequence[str], now: datetime, within: timedelta) -> list[OpenWindows]:
    """Windows that are open at `now`, and those that shut `within` so long; providers without any are left out."""
    return database.all(OpenWindows, WINDOWS, {"providers": list(providers), "now": now, "within": within})
