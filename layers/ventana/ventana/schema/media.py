"""Files of messages on their way into our store: queued, claimed by one worker at a time, finished once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ventana.errors import FetchError, Unavailable
from ventana.messages import Media
from ventana.schema.connection import Database

QUEUE = """
select message_id::text as message_id, place
  from queue_media_v1(%s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
CLAIM = """
select outcome, free_at, attempts, conversation_id::text as conversation_id, provider, content_type, source
  from claim_media_v1(%s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))
"""
FINISH = "select finish_media_v1(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
COPY = """
select f.state, f.reference, f.content_type, f.source ->> 'filename' as filename
  from message_media f where f.message_id = %s and f.place = %s
"""
MAX_ATTEMPTS = 12  # about two hours by the worker's back-off


@dataclass(frozen=True, slots=True)
class FileKey:
    """One file: the row of its message, and its place among the message's files."""

    message_id: str
    place: int


@dataclass(frozen=True, slots=True)
class MediaClaim:
    """What a worker got: with outcome "claimed" the file is its own until the lease ends.

    leased: another worker has it, or it pauses, until `free_at`; done: stored or failed already; given_up: its workers
    died each time, and it failed now; not_found: there is no such file.
    """

    outcome: Literal["claimed", "leased", "done", "given_up", "not_found"]
    free_at: datetime | None
    attempts: int | None
    conversation_id: str | None
    provider: str | None
    content_type: str | None
    source: dict[str, Any] | None

    def media(self) -> Media:
        """The file as its provider's adapter told of it."""
        given = self.source or {}
        names = ("url", "id", "mime_type", "sha256", "filename")
        return Media(**{name: str(given[name]) for name in names if given.get(name)})


@dataclass(frozen=True, slots=True)
class Stored:
    """Our copy of a file: where it is, and what it is."""

    reference: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of a file: with state "stored", where our copy is, what it is, and its customer's name for it."""

    state: Literal["pending", "stored", "failed"]
    reference: str | None
    content_type: str | None
    filename: str | None


def find_copy(database: Database, key: FileKey) -> Copy | None:
    """What became of a file; None where the message has none in this place."""
    return database.one(Copy, COPY, (key.message_id, key.place))


def queue_media(database: Database, limit: int, again: timedelta, now: datetime | None = None) -> list[FileKey]:
    """At most `limit` files that nobody has taken up, to be queued now; the same ones come again after `again`."""
    return database.all(FileKey, QUEUE, (limit, again, now))


def claim_media(database: Database, key: FileKey, lease: timedelta, now: datetime | None = None) -> MediaClaim:
    """Take a file exclusively; each claim is an attempt."""
    parameters = (key.message_id, key.place, lease, MAX_ATTEMPTS, now)
    found = database.one(MediaClaim, CLAIM, parameters)
    return found or MediaClaim("not_found", None, None, None, None, None, None)


def finish_stored(
    database: Database, key: FileKey, attempt: int, stored: Stored, now: datetime | None = None
) -> str | None:
    """Our copy is there. Returns the file's state."""
    copy = (stored.reference, stored.content_type, stored.size)
    state: str | None = database.value(
        FINISH, (key.message_id, key.place, attempt, "stored", *copy, None, None, MAX_ATTEMPTS, now)
    )
    return state


def finish_failed(
    database: Database, key: FileKey, attempt: int, error: FetchError, pause: timedelta, now: datetime | None = None
) -> str | None:
    """There is no copy, and the row says why: pending until after `pause`, or failed. Returns that state."""
    outcome = "retry" if isinstance(error, Unavailable) else "failed"
    state: str | None = database.value(
        FINISH,
        (key.message_id, key.place, attempt, outcome, None, None, None, str(error), pause, MAX_ATTEMPTS, now),
    )
    return state
