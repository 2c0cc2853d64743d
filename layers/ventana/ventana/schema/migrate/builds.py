"""Building an index beside running writers, so that the build outlives whoever began it.

The statement runs on a connection of its own and is left when the time is over; the server goes on with it. What a
runner that died, or left, has begun is looked at first: a build that still goes on is waited for, a broken index is
dropped and built anew.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg

from ventana.schema.migrate.catalog import Catalog, home_schema, read_catalog
from ventana.schema.migrate.folder import MigrationError, Step, Unfinished
from ventana.schema.migrate.steps import SAY_SECONDS, Limits, Say

LOOK_SECONDS = 0.2
MOST_STATEMENTS = 10
PROGRESS = """
select p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total,
       format(' for process %%s (%%s), in a transaction for %%s s', a.pid,
              coalesce(nullif(a.application_name, ''), a.backend_type),
              extract(epoch from clock_timestamp() - a.xact_start)::integer)
  from pg_stat_progress_create_index p join pg_class c on c.oid = p.index_relid
  left join pg_stat_activity a on a.pid = p.current_locker_pid
 where c.relname = %s and p.datname = current_database()
"""
# Those that REINDEX leaves have names of their own, and are for whoever ran it.
BROKEN = """
select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
 where not i.indisvalid and c.relnamespace = to_regnamespace(%s) and c.relname !~ '_cc(new|old)'
   and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
"""
# Lost against somebody else, or against a build that had just begun and could not be seen yet: to be looked at again.
LOST = (psycopg.errors.DeadlockDetected, psycopg.errors.DuplicateTable, psycopg.errors.LockNotAvailable)


def build_index(connection: psycopg.Connection, dsn: str, step: Step, made: Catalog, say: Say, limits: Limits) -> None:
    """Build the step's index, or see it built. Raises Unfinished when the time is over, and the build goes on then."""
    name = f"index {step.index}"
    statement: _Statement | None = None
    started = said = time.monotonic()
    statements = 0
    while True:
        progress = connection.execute(PROGRESS, (step.index,)).fetchone()
        if progress is None and (statement is None or statement.ended):
            if statement is not None:
                statement.check(step)
            found = read_catalog(connection, home_schema(connection)).get(name)
            if found is not None and found == made.get(name):
                return
            if statements == MOST_STATEMENTS:
                raise MigrationError(f"{step.name}: {step.index} was built again and again, and is not as it should be")
            if found is not None:
                say(f"{step.name}: drops {step.index}, which is {'broken' if 'invalid' in found else 'another'}")
            sql = step.sql if found is None else f"drop index concurrently if exists {step.index}"
            statement, statements = _Statement(dsn, sql), statements + 1
        if limits.over():
            raise Unfinished(
                f"{step.name}: still building {step.index}; the server goes on with it, and the next run sees it built"
            )
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            say(f"{step.name}: {_how_far(progress)}, {said - started:.0f} s so far")
        if statement is None or statement.ended:
            time.sleep(LOOK_SECONDS)
        else:
            statement.wait()


def broken_indexes(connection: psycopg.Connection) -> list[str]:
    """Indexes that are there, serve nobody, and are not being built."""
    return [str(name) for (name,) in connection.execute(BROKEN, (home_schema(connection),))]


class _Statement:
    """A statement on a connection of its own, so that its progress can be seen, and so that it can be left."""

    def __init__(self, dsn: str, sql: str) -> None:
        self._error: psycopg.Error | None = None
        self._thread = threading.Thread(target=self._run, args=(dsn, sql), daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        """For its end, for a moment."""
        self._thread.join(LOOK_SECONDS)

    def check(self, step: Step) -> None:
        """Raises what it ended with, where it is of no use to look again."""
        if isinstance(self._error, psycopg.errors.UniqueViolation):  # whose detail has the customer's phone
            raise MigrationError(f"{step.name}: {self._error.diag.message_primary}: rows are there twice") from None
        if self._error is not None and not isinstance(self._error, LOST):
            raise self._error

    def _run(self, dsn: str, sql: str) -> None:
        try:
            with psycopg.connect(dsn, autocommit=True, application_name="ventana-migrator") as connection:
                # A runner that is stopped, or leaves, must not stop the build. It waits for old transactions, but
                # nobody waits for it.
                connection.execute("set client_connection_check_interval = 0")
                connection.execute("set statement_timeout = 0; set lock_timeout = 0")
                connection.execute(sql.encode())
        except psycopg.Error as error:
            self._error = error


def _how_far(progress: tuple[Any, ...] | None) -> str:
    if progress is None:
        return "begins"
    phase, blocks, blocks_total, tuples, tuples_total, waits_for = progress
    done, total = (blocks, blocks_total) if blocks_total else (tuples, tuples_total)
    return f"{phase} {100 * done // total} %" if total else f"{phase}{waits_for or ''}"
