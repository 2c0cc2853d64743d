"""Windows as sets, and what the sweep does with them; the cost follows what is due, not the size of the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ventana.schema.connection import Database

SWEEP = "select closing, closed from sweep_windows_v1(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
RESCUE = """
select message_id::text as message_id, conversation_id::text as conversation_id, outcome
  from rescue_sends_v1(%s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
NEEDING_TEMPLATE = """
select id::text from kommo_conversations
 where window_length_v1(channel) is not null
   and coalesce(window_closes_at_v1(channel, last_user_message_at, window_closed_for) <= %s, true)
 order by last_user_message_at desc nulls last limit %s
"""
CLOSING_WITHIN = """
select id::text from kommo_conversations
 where last_user_message_at > %(now)s - interval '24 hours'
   and last_user_message_at <= %(now)s - interval '24 hours' + %(within)s
   and window_length_v1(channel) is not null and window_closed_for is distinct from last_user_message_at
 order by last_user_message_at limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Swept:
    """How many windows were announced as closing and as closed in one batch."""

    closing: int
    closed: int


@dataclass(frozen=True, slots=True)
class Rescued:
    """A send that was found lying: "stranded" is to be queued again, "uncertain" was left by a sender that died."""

    message_id: str
    conversation_id: str
    outcome: str


def sweep_windows(database: Database, warning: timedelta, limit: int, now: datetime | None = None) -> Swept:
    """Announce at most `limit` closing and `limit` closed windows, each once, and mark who now needs a template."""
    return database.one(Swept, SWEEP, (warning, limit, now)) or Swept(0, 0)


def rescue_sends(
    database: Database, accepted_for: timedelta, queued_for: timedelta, limit: int, now: datetime | None = None
) -> list[Rescued]:
    """Find sends that nobody is working on; those whose sender died become uncertain."""
    return database.all(Rescued, RESCUE, (accepted_for, queued_for, limit, now))


def conversations_needing_template(database: Database, now: datetime, limit: int = 100) -> list[str]:
    """Ids of conversations to which only a template may be sent at `now`, the latest customer first."""
    return database.call(lambda connection: [row[0] for row in connection.execute(NEEDING_TEMPLATE, (now, limit))])


def conversations_closing_within(database: Database, minutes: int, now: datetime, limit: int = 100) -> list[str]:
    """Ids of conversations whose open window closes within so many minutes after `now`, the soonest first."""
    parameters = {"now": now, "within": timedelta(minutes=minutes), "limit": limit}
    return database.call(lambda connection: [row[0] for row in connection.execute(CLOSING_WITHIN, parameters)])
