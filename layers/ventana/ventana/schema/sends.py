"""Sends as a set: how many of them nobody can tell what became of, and how many wait for their customer."""

from __future__ import annotations

from datetime import datetime, timedelta

from ventana.schema.connection import Database

UNCERTAIN = """
select count(*) from sends
 where phase = 'uncertain' and coalesce(claimed_at, '-infinity') <= coalesce(%s::timestamptz, clock_timestamp()) - %s
"""
HELD = "select count(*) from (select from sends where phase = 'held' limit %s) found"


def count_uncertain(database: Database, after: timedelta, now: datetime | None = None) -> int:
    """How many sends are uncertain although they were handed over longer ago than this."""
    return database.value(UNCERTAIN, (now, after)) or 0


def count_held(database: Database, most: int) -> int:
    """How many messages wait for their customer to write again; no more than `most` are looked at."""
    return database.value(HELD, (most,)) or 0
