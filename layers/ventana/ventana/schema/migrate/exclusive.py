"""One migration run at a time: a session advisory lock, which frees itself when its holder dies.

It is polled, never waited for inside one statement: a waiting statement holds a snapshot, CREATE INDEX CONCURRENTLY
waits for snapshots, and the two would deadlock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from ventana.schema.migrate.folder import Locked, MigrationError

LOCK_KEY = 0x56656E74616E61  # "Ventana"
TRY = "select pg_try_advisory_lock(%s)"
HELD = "select exists (select from pg_locks where locktype = 'advisory' and granted and pid = pg_backend_pid())"


@contextmanager
def exclusive(connection: psycopg.Connection, wait: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock for the block, or raise Locked after `wait` seconds. Raises MigrationError behind a pooler."""
    waiting_since = time.monotonic()
    while not _true(connection, TRY, LOCK_KEY):
        if time.monotonic() - waiting_since > wait:
            raise Locked(f"another run holds the lock since more than {wait:.0f} s; nothing was changed")
        say("waiting: another run holds the lock")
        time.sleep(0.2 + random.random() * 0.3)  # noqa: S311 - jitter
    if not _true(connection, HELD):
        raise MigrationError("this is a transaction pooler, which cannot hold a lock: connect to Postgres directly")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (LOCK_KEY,))


def _true(connection: psycopg.Connection, query: LiteralString, *parameters: object) -> bool:
    return connection.execute(query, parameters).fetchone() == (True,)
