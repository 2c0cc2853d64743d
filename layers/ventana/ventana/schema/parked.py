"""Items that were kept instead of being acted on: listed, looked at, marked as replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from ventana.schema.connection import Database

COLUMNS: LiteralString = """
    id::text as id, provider, kind, reason, times, received_at, replayed_at, replay_outcome
"""
LIST: LiteralString = (
    "select" + COLUMNS + "from parked_items"
    " where (%(provider)s::text is null or provider = %(provider)s)"
    " and (kind = %(kind)s or (%(kind)s::text is null and kind <> 'notice' and replayed_at is null))"
    " order by received_at desc limit %(limit)s"
)
ONE: LiteralString = "select" + COLUMNS + ", body, content_type, item from parked_items where id = %s"
COUNTS = """
select (select count(*) from (
           select from parked_items where kind <> 'notice' and replayed_at is null limit %(most)s) found) as open,
       (select count(*) from (
           select from parked_items where kind = 'notice' and received_at >= %(since)s limit %(most)s) found) as notices
"""
REPLAYED = "select mark_replayed_v1(%s, %s)"


@dataclass(frozen=True, slots=True)
class ParkedHead:
    """A parked item without its content: why it was kept, how often it came, whether a replay settled it."""

    id: str
    provider: str
    kind: str
    reason: str
    times: int
    received_at: datetime
    replayed_at: datetime | None
    replay_outcome: str | None


@dataclass(frozen=True, slots=True)
class ParkedItem(ParkedHead):
    """A parked item with a webhook body of its own (`body`), or in our words where the database refused it (`item`)."""

    body: bytes | None
    content_type: str | None
    item: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ParkedCounts:
    """Items that wait for somebody, and notices of a while; both up to a limit."""

    open: int
    notices: int


def list_parked(database: Database, provider: str | None, kind: str | None, limit: int = 50) -> list[ParkedHead]:
    """The latest parked items; without `kind`, those that still wait for somebody."""
    return database.all(ParkedHead, LIST, {"provider": provider, "kind": kind, "limit": limit})


def find_parked(database: Database, parked_id: str) -> ParkedItem | None:
    """The parked item with this id."""
    return database.one(ParkedItem, ONE, (parked_id,))


def mark_replayed(database: Database, parked_id: str, outcome: str) -> None:
    """Note that a replay settled the item."""
    database.value(REPLAYED, (parked_id, outcome))


def count_parked(database: Database, since: datetime, most: int) -> ParkedCounts:
    """How many items wait for somebody, and how many notices came since then; no more than `most` are looked at."""
    return database.one(ParkedCounts, COUNTS, {"since": since, "most": most}) or ParkedCounts(0, 0)
