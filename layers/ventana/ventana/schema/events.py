"""The outbox: events are written in the commit of what they tell of; here they are taken out to be published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ventana.schema.connection import Database

CLAIM = """
select id::text as id, name, detail, occurred_at
  from claim_events_v1(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
FINISH = "select finish_events_v1(%s::uuid[])"


@dataclass(frozen=True, slots=True)
class Event:
    """Something consumers want to know; `id` is what they deduplicate by."""

    id: str
    name: str
    detail: dict[str, Any]
    occurred_at: datetime


def claim_events(database: Database, limit: int, lease: timedelta, now: datetime | None = None) -> list[Event]:
    """The oldest unpublished events, ours alone until the lease ends; unconfirmed ones come again after it."""
    return database.all(Event, CLAIM, (limit, lease, now))


def finish_events(database: Database, ids: Sequence[str]) -> None:
    """Confirm that these were published."""
    database.value(FINISH, (list(ids),))
