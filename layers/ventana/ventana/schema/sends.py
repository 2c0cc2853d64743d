"""Sends as a set: how many of them nobody can tell what became of."""

from __future__ import annotations

from datetime import datetime, timedelta

from ventana.schema.connection import Database

UNCERTAIN = """
select count(*) from sends
 where phase = 'uncertain' and coalesce(claimed_at, '-infinity') <= coalesce(%s::timestamptz, clock_timestamp()) - %s
"""


def count_uncertain(database: Database, after: timedelta, now: datetime | None = None) -> int:
    """How many sends are uncertain although they were handed over longer ago than this."""
    return database.value(UNCERTAIN, (now, after)) or 0
