"""How far the provider's own list of messages has been compared with ours, and which of them we have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ventana.schema.connection import Database

FIND = """
select checked_until, listing_since, listing_until, place, updated_at from reconcile_cursors where provider = %s
"""
KEEP = "select keep_reconcile_place_v1(%s, %s, %s, %s)"
FINISH = "select finish_reconcile_v1(%s, %s)"
KNOWN = """
select provider_message_id from kommo_messages
 where provider is not distinct from %s and provider_message_id = any(%s) and provider_message_id is not null
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a provider has been checked; the last four are set while a list has been read in part."""

    checked_until: datetime | None = None
    listing_since: datetime | None = None
    listing_until: datetime | None = None
    place: str | None = None
    updated_at: datetime | None = None


def find_cursor(database: Database, provider: str) -> Cursor:
    """The provider's cursor; an empty one before the first run."""
    return database.one(Cursor, FIND, (provider,)) or Cursor()


def keep_place(database: Database, provider: str, since: datetime, until: datetime, place: str) -> None:
    """Remember where the list between `since` and `until` goes on; what lies before it has been recorded."""
    database.call(lambda connection: connection.execute(KEEP, (provider, since, until, place)))


def finish_listing(database: Database, provider: str, until: datetime) -> None:
    """Remember that everything up to `until` has been compared. Never moves backwards."""
    database.call(lambda connection: connection.execute(FINISH, (provider, until)))


def known_messages(database: Database, provider: str, ids: Iterable[str]) -> set[str]:
    """Which of these messages of the provider we have."""
    parameters = (provider, list(ids))
    return database.call(lambda connection: {row[0] for row in connection.execute(KNOWN, parameters)})
