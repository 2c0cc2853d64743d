"""Doing one step on a database that is in use: short locks or none, and nothing that has to be unlocked by hand.

A transaction asks for its locks briefly and gives up soon, because everybody who comes after it waits behind it: it
tries again, with jitter, until it finds a moment. An index is built beside the writers; what a runner that died has
left behind is looked at first: a build that still goes on is waited for, a broken one is dropped.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from ventana.schema.migrate.catalog import Catalog, home_schema, read_catalog
from ventana.schema.migrate.folder import MigrationError, Step, Unfinished

Say = Callable[[str], None]
LOCK_MS = 100  # the longest that writers wait behind a step that waits for its lock
LOCK_TRIES = 100
LONGEST_PAUSE_SECONDS = 2.0
LOOK_SECONDS = 0.2
SAY_SECONDS = 5.0
PROGRESS = """
select p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total
  from pg_stat_progress_create_index p join pg_class c on c.oid = p.index_relid where c.relname = %s
"""


@dataclass(frozen=True)
class Limits:
    """How long a run may take: `until` is a time of time.monotonic(), None for as long as it takes."""

    until: float | None = None

    def over(self) -> bool:
        """Whether the time is over."""
        return self.until is not None and time.monotonic() > self.until


def in_transaction(
    connection: psycopg.Connection, work: Callable[[], None], what: str, say: Say, limits: Limits
) -> None:
    """Do `work` in one transaction as soon as it gets its locks. Raises MigrationError when a table stays busy."""
    for attempt in range(1, LOCK_TRIES + 1):
        try:
            with connection.transaction():
                connection.execute(f"set local lock_timeout = '{LOCK_MS}ms'")
                work()
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if limits.over():
                raise Unfinished(f"{what}: a table was busy until the time was over; run it again") from None
            if attempt % 10 == 0:
                say(f"{what}: a table is busy, try {attempt} of {LOCK_TRIES}")
            time.sleep(min(LONGEST_PAUSE_SECONDS, 0.05 * attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
    raise MigrationError(f"{what}: a table was busy for {LOCK_TRIES} tries; end long transactions and run it again")


def build_index(connection: psycopg.Connection, dsn: str, step: Step, made: Catalog, say: Say, limits: Limits) -> None:
    """Build the step's index beside running writers, or see it built. Raises Unfinished when the time is over."""
    name = f"index {step.index}"
    builder: _Builder | None = None
    started = said = time.monotonic()
    while True:
        found = read_catalog(connection, home_schema(connection)).get(name)
        progress = connection.execute(PROGRESS, (step.index,)).fetchone()
        if found is not None and found == made.get(name):
            return
        if builder is not None and builder.error is not None:
            raise builder.error
        if progress is None and (builder is None or builder.ended):
            if found is not None:
                say(f"{step.name}: drops {step.index}, which is {'broken' if 'invalid' in found else 'another'}")
                connection.execute(f"drop index concurrently if exists {step.index}")
            elif builder is not None:
                raise MigrationError(f"{step.name}: the index was built, and is not there")
            builder = _Builder(dsn, step)
        if limits.over():
            raise Unfinished(f"{step.name}: still building; it goes on, and the next run sees it built")
        if progress is not None and time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            say(f"{step.name}: {_how_far(progress)}, {said - started:.0f} s so far")
        builder_wait = builder.thread.join if builder is not None else time.sleep
        builder_wait(LOOK_SECONDS)


class _Builder:
    """Runs the statement on a connection of its own, so that its progress can be seen, and so that it can be left."""

    def __init__(self, dsn: str, step: Step) -> None:
        self.error: psycopg.Error | None = None
        self.thread = threading.Thread(target=self._build, args=(dsn, step), name=step.name, daemon=True)
        self.thread.start()

    @property
    def ended(self) -> bool:
        return not self.thread.is_alive()

    def _build(self, dsn: str, step: Step) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True, application_name="ventana-migrator") as connection:
                # A runner that is stopped, or leaves, must not stop the build. It waits for old transactions, but
                # nobody waits for it.
                connection.execute("set client_connection_check_interval = 0")
                connection.execute("set statement_timeout = 0; set lock_timeout = 0")
                connection.execute(step.sql.encode())
        except psycopg.Error as error:
            self.error = error


def _how_far(progress: tuple[Any, ...]) -> str:
    phase, blocks, blocks_total, tuples, tuples_total = progress
    done, total = (blocks, blocks_total) if blocks_total else (tuples, tuples_total)
    return f"{phase} {100 * done // total} %" if total else str(phase)
