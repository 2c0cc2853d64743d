"""Windows as sets, and what the sweep does with them and with sends; the cost follows what is due, not table sizes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ventana.schema.connection import Database
from ventana.send_queue import Turn

SWEEP = "select closing, closed, more from sweep_windows_v3(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
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


@dataclass(frozen=True, slots=True)
class Swept:
    """How many windows were announced as closing and as closed in one batch, and whether more are to be looked at."""

    closing: int
    closed: int
    more: bool = False


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
