"""Doing one step on a database that is in use: short locks or none, and nothing that has to be unlocked by hand.

A transaction asks for its locks briefly and gives up soon, because everybody who comes after it waits behind it: it
tries again, with jitter, until it finds a moment. What takes long is done beside the writers (builds.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ventana.schema.migrate.folder import MigrationError, Step, Unfinished
from ventana.schema.migrate.locks import BESIDE, STRENGTH, demands

Say = Callable[[str], None]
LOCK_MS = 100  # the longest that writers wait behind a step that waits for its locks
BESIDE_MS = 5000  # longer than deadlock_timeout, after which an autovacuum gives way
LOCK_TRIES = 100
LONGEST_PAUSE_SECONDS = 2.0
SAY_SECONDS = 5.0
BUSY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
TABLES = "select relname from pg_class where relname = any(%s) and relkind in ('r', 'p') and pg_table_is_visible(oid)"
OLDEST = """
select format('; process %%s (%%s, %%s) has been in a transaction for %%s s', a.pid,
              coalesce(nullif(a.application_name, ''), a.backend_type), a.state,
              extract(epoch from clock_timestamp() - a.xact_start)::integer)
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
 where l.granted and l.relation = any(%s::regclass[]) and a.pid <> pg_backend_pid()
   and a.xact_start < clock_timestamp() - interval '1 second'
 order by a.xact_start limit 1
"""


@dataclass(frozen=True)
class Limits:
    """How long a run may take: `until` is a time of time.monotonic(), None for as long as it takes."""

    until: float | None = None

    def over(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.monotonic() > self.until

    def milliseconds(self) -> int:
        """What is left, as the server takes it: 0 is for ever."""
        return 0 if self.until is None else max(0, int((self.until - time.monotonic()) * 1000)) + 1


def locked_tables(connection: psycopg.Connection, step: Step) -> list[str]:
    """The tables that are there already and that the step locks, be it beside writers."""
    asked = {demand.target for demand in demands(step) if _strength(demand.lock) >= _strength(BESIDE)}
    return sorted(str(name) for (name,) in connection.execute(TABLES, (list(asked),)))


def prelude(tables: list[str], limits: Limits) -> Composed:
    """What a transaction begins with: time-outs, and first the lock that no writer feels.

    Whoever else maintains a table, an autovacuum above all, is waited for with that one, and not with writers behind.
    """
    beside = SQL("set local lock_timeout = {}; lock table {} in share update exclusive mode;").format(
        BESIDE_MS, SQL(", ").join(map(Identifier, tables))
    )
    # Each lock may wait for so long while those before it are held.
    shortly = SQL("set local lock_timeout = {};").format(LOCK_MS // max(1, len(tables)))
    timeout = SQL("set local statement_timeout = {};").format(limits.milliseconds())
    return Composed([timeout, *([beside] if tables else []), shortly])


def patiently(
    connection: psycopg.Connection, work: Callable[[], None], what: str, tables: list[str], say: Say, limits: Limits
) -> None:
    """Do `work`, which is one transaction on these tables, again and again until it gets its locks.

    Raises MigrationError when a table stays busy, and Unfinished when the time is over; everything was taken back then.
    """
    for attempt in range(1, LOCK_TRIES + 1):
        if limits.over():
            raise Unfinished(f"{what}: the time was over before it was done")
        try:
            with heard_of(what, say):
                work()
            return
        except psycopg.Error as error:
            if not connection.closed:
                connection.rollback()
            if isinstance(error, psycopg.errors.QueryCanceled) and limits.over():
                continue
            if not isinstance(error, BUSY):
                raise
            if attempt % 10 == 0:
                say(f"{what}: a table is busy, try {attempt} of {LOCK_TRIES}{_holder(connection, tables)}")
            time.sleep(min(LONGEST_PAUSE_SECONDS, 0.05 * attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
    raise MigrationError(f"{what}: a table was busy for {LOCK_TRIES} tries{_holder(connection, tables)}; run it again")


@contextmanager
def heard_of(what: str, say: Say) -> Iterator[None]:
    """Say now and then that the block still goes on."""
    over, started = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(SAY_SECONDS):
            say(f"{what}: {time.monotonic() - started:.0f} s so far")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _strength(lock: str) -> int:
    return STRENGTH.index(lock) if lock in STRENGTH else 0


def _holder(connection: psycopg.Connection, tables: list[str]) -> str:
    """Who has been in a transaction on these tables for long, in words."""
    row = connection.execute(OLDEST, (tables,)).fetchone()
    return str(row[0]) if row else ""
