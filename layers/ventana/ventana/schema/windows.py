"""Windows as sets, and what the sweep does with them and with sends; the cost follows what is due, not table sizes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ventana.schema.connection import Database
from ventana.send_queue import Turn

SWEEP = "select closing, closed from sweep_windows_v2(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
SWEEP_SENDS = """
select message_id::text as message_id, conversation_id::text as conversation_id, lane, outcome
  from sweep_sends_v1(%s, coalesce(%s::timestamptz, clock_timestamp()))
"""
FORGET = "select forget_v2(%s, coalesce(%s::timestamptz, clock_timestamp()))"
WINDOWS_OF = """
select c.business_address, c.last_user_message_at, c.window_closed_for from kommo_conversations c where c.id = %(id)s
union all
select f.business_address, f.last_user_message_at, f.window_closed_for from former_windows f
 where f.conversation_id = %(id)s
 order by last_user_message_at desc nulls last
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
class SweptSend:
    """A send that was due to be looked at: "turn", it is to be queued; "expired"; "uncertain", its sender died."""

    message_id: str
    conversation_id: str
    lane: str
    outcome: Literal["turn", "expired", "uncertain"]

    def turn(self) -> Turn:
        """What is to be queued."""
        return Turn(self.message_id, self.conversation_id, self.lane)


@dataclass(frozen=True, slots=True)
class AddressWindow:
    """When the customer last wrote to one of our addresses, and whether the window that this opened was shut."""

    business_address: str | None
    last_user_message_at: datetime | None
    window_closed_for: datetime | None


def sweep_windows(database: Database, warning: timedelta, limit: int, now: datetime | None = None) -> Swept:
    """Announce at most `limit` closing and `limit` closed windows, each once, and mark who now needs a template."""
    return database.one(Swept, SWEEP, (warning, limit, now)) or Swept(0, 0)


def sweep_sends(database: Database, limit: int, now: datetime | None = None) -> list[SweptSend]:
    """Look at the sends that are due: turns for those that nobody works on, the end for those whose time is over."""
    return database.all(SweptSend, SWEEP_SENDS, (limit, now))


def forget(database: Database, limit: int, now: datetime | None = None) -> int:
    """Delete published events after seven days, answers to repeated requests after eight, and the traces of failed
    sends after thirty; at most `limit` of each.
    """
    return database.value(FORGET, (limit, now)) or 0


def windows_of(database: Database, conversation_id: str) -> list[AddressWindow]:
    """The windows of a customer at each address of ours that they wrote to, the latest first."""
    return database.all(AddressWindow, WINDOWS_OF, {"id": conversation_id})


def conversations_needing_template(database: Database, now: datetime, limit: int = 100) -> list[str]:
    """Ids of conversations to which only a template may be sent at `now`, the latest customer first."""
    return database.call(lambda connection: [row[0] for row in connection.execute(NEEDING_TEMPLATE, (now, limit))])


def conversations_closing_within(database: Database, minutes: int, now: datetime, limit: int = 100) -> list[str]:
    """Ids of conversations whose open window closes within so many minutes after `now`, the soonest first."""
    parameters = {"now": now, "within": timedelta(minutes=minutes), "limit": limit}
    return database.call(lambda connection: [row[0] for row in connection.execute(CLOSING_WITHIN, parameters)])
