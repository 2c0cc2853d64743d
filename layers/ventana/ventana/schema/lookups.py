"""Contacts whose phone is still to be asked for: found, claimed, and answered or put off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ventana.schema.connection import Database

QUEUE = """
select provider, business_address, contact_id
  from queue_lookups_v1(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
CLAIM = "select claim_lookup_v1(%s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
FINISH = "select finish_lookup_v1(%s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
POSTPONE = "select postpone_lookup_v1(%s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
PAUSE = "select pause_lookups_v1(%s, %s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact of an account at a provider; the account is empty where no message has told it yet."""

    provider: str
    business_address: str
    contact_id: str


def queue_lookups(database: Database, limit: int, again: timedelta, now: datetime | None = None) -> list[Contact]:
    """Contacts of at most `limit` conversations, to be asked for now; the same ones come again after `again`."""
    return database.all(Contact, QUEUE, (limit, again, now))


def claim_lookup(
    database: Database, contact: Contact, now: datetime | None = None
) -> Literal["needed", "done", "paused"]:
    """Whether to ask: its phone may be known by now, or its account pauses."""
    outcome: Literal["needed", "done", "paused"] = database.value(CLAIM, (*_names(contact), now))
    return outcome


def finish_lookup(database: Database, contact: Contact, now: datetime | None = None) -> None:
    """The provider answered, be it that it knows nothing: nobody asks again."""
    database.value(FINISH, (*_names(contact), now))


def postpone_lookup(
    database: Database, contact: Contact, pause: timedelta, longest: timedelta, now: datetime | None = None
) -> None:
    """It did not answer for this contact: ask again after `pause`, twice as long each time, up to `longest`."""
    database.value(POSTPONE, (contact.provider, contact.contact_id, pause, longest, now))


def pause_lookups(
    database: Database, contact: Contact, pause: timedelta, longest: timedelta, now: datetime | None = None
) -> None:
    """Its account wants to be left alone: ask for none of its contacts for as long, twice as long each time."""
    database.value(PAUSE, (*_names(contact), pause, longest, now))


def _names(contact: Contact) -> tuple[str, str, str]:
    return contact.provider, contact.business_address, contact.contact_id
