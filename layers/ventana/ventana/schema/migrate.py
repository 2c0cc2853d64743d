"""The migration runner: applies the folder of SQL files to a database, once each, in order, whoever starts it.

    python -m ventana.schema.migrate up | plan | verify | revert | baseline  [--to VERSION] [--dsn DSN]

A migration is three files: `<version>.sql`, `<version>.verify.sql` (one SELECT of which every column must be true; a
column is named "<kind> <name>") and `<version>.revert.sql`. A first line `-- migrate: no-transaction` marks a file
that holds one statement which may not run in a transaction. What ran is written into `ventana_meta`, with a checksum,
in the same commit. A session advisory lock, polled and never waited for in one statement (which would deadlock with
CREATE INDEX CONCURRENTLY), lets one runner work at a time and frees itself when the runner dies.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import psycopg

from ventana.schema.exclusive import exclusive
from ventana.schema.migrations import Ahead, Drift, Migration, MigrationError, load
from ventana.schema.report import Component, print_report

Say = Callable[[str], None]
FOLDER = Path(__file__).parents[4] / "functions" / "migrator" / "migrations"  # of a checkout; the function says its own
LOCK_WAIT_SECONDS = 60.0
LOCK_TRIES = 5
ACTIONS = ("up", "plan", "verify", "revert", "baseline")
LEDGER = """
create schema if not exists ventana_meta;
create table if not exists ventana_meta.schema_migrations (
    version text primary key,
    checksum text not null,
    state text not null check (state in ('running', 'applied', 'baseline')),
    applied_by text not null default current_user,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);
create table if not exists ventana_meta.migration_log (
    id bigint generated always as identity primary key,
    version text not null, action text not null, outcome text not null,
    at timestamptz not null default clock_timestamp(), by text not null default current_user
);
"""
READ = 'select version, checksum, state from ventana_meta.schema_migrations order by version collate "C"'


@dataclass
class Outcome:
    """What a run did: versions applied, reverted or pending, and each component of the schema, present or not."""

    action: str
    done: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)


def run(
    action: str,
    dsn: str,
    *,
    folder: Path | None = None,
    to: str | None = None,
    say: Say = print,
    lock_seconds: float = LOCK_WAIT_SECONDS,
) -> Outcome:
    """Do `action` on the database at `dsn`, up to the version `to`, and print the report through `say`.

    up        apply what is pending                    plan      show what would run; changes nothing
    verify    check every applied version and sum      revert    undo what is after `to` (default: the last one)
    baseline  adopt a database that has the schema already, as far as it verifies

    Waits `lock_seconds` for another run to end. Raises MigrationError (or Drift, Ahead, Locked), and psycopg.Error.
    """
    migrations = load(folder or FOLDER)
    if to is not None and to not in {migration.version for migration in migrations}:
        raise MigrationError(f"there is no version {to}; the last one is {migrations[-1].version}")
    if action not in ACTIONS:
        raise MigrationError(f"unknown action {action}: use one of {', '.join(ACTIONS)}")
    with psycopg.connect(dsn, autocommit=True, application_name="ventana-migrator", connect_timeout=10) as connection:
        runner = _Runner(connection, migrations, say)
        if action in ("plan", "verify"):
            return runner.plan(to) if action == "plan" else runner.verify()
        with exclusive(connection, lock_seconds, say):
            connection.execute(LEDGER)
            return {"up": runner.up, "revert": runner.revert, "baseline": runner.baseline}[action](to)


class _Runner:
    def __init__(self, connection: psycopg.Connection, migrations: list[Migration], say: Say) -> None:
        self.connection, self.migrations, self.say = connection, migrations, say

    def plan(self, to: str | None) -> Outcome:
        pending = self._pending(to)
        for migration in pending:
            how = "in a transaction" if migration.transactional else "without a transaction"
            self.say(f"would apply {migration.version} {migration.checksum[:12]} {how}")
        self.say(f"{len(pending)} pending; nothing was changed")
        return Outcome("plan", pending=[migration.version for migration in pending])

    def verify(self) -> Outcome:
        applied = self._applied()
        outcome = self._report(Outcome("verify", pending=[m.version for m in self._pending(None)]), applied)
        missing = [component.name for component in outcome.components if not component.present]
        if missing:
            raise Drift(f"the ledger says applied, the database lacks: {', '.join(missing)}")
        return outcome

    def up(self, to: str | None) -> Outcome:
        pending = self._pending(to)
        if pending and pending[0] is self.migrations[0] and not self._missing(pending[0]):
            raise Drift(f"{pending[0].version} is there, but not in the ledger: run `baseline` to adopt this database")
        for migration in pending:
            started = time.monotonic()
            (self._apply if migration.transactional else self._apply_without_transaction)(migration)
            self.say(f"applied {migration.version} in {time.monotonic() - started:.2f} s")
        self.say(f"{len(pending)} applied")
        return self._report(Outcome("up", done=[migration.version for migration in pending]), self._applied())

    def revert(self, to: str | None) -> Outcome:
        applied = self._applied()
        versions = [migration.version for migration in applied]
        keep = versions.index(to) + 1 if to in versions else len(versions) if to else len(versions) - 1
        undone = list(reversed(applied[max(keep, 0) :]))
        # One transaction for all where that is possible: a revert that is refused halfway changes nothing.
        whole = all(migration.transactional for migration in undone)
        with self.connection.transaction() if whole else nullcontext():
            for migration in undone:
                with self.connection.transaction() if migration.transactional else nullcontext():
                    self._execute(migration.revert)
                    self.connection.execute(
                        "delete from ventana_meta.schema_migrations where version = %s", (migration.version,)
                    )
                    self._log(migration.version, "revert", "done")
        for migration in undone:
            self.say(f"reverted {migration.version}")
        return Outcome("revert", done=[migration.version for migration in undone])

    def baseline(self, to: str | None) -> Outcome:
        if self._ledger():
            raise MigrationError("this database has a ledger already; use `up`")
        adopted: list[Migration] = []
        for migration in self.migrations:
            missing = self._missing(migration)
            if missing and (to is not None or not adopted):
                raise Drift(f"not adopted, nothing was changed: {migration.version} lacks {', '.join(missing)}")
            if missing:
                break
            adopted.append(migration)
            if migration.version == to:
                break
        with self.connection.transaction():
            for migration in adopted:
                self._record(migration, "baseline")
        versions = [migration.version for migration in adopted]
        self.say(f"adopted {', '.join(versions)}")
        return self._report(Outcome("baseline", done=versions), adopted)

    def _apply(self, migration: Migration) -> None:
        for attempt in range(1, LOCK_TRIES + 1):
            try:
                with self.connection.transaction():
                    self.connection.execute("set local lock_timeout = '2s'")
                    self._execute(migration.sql)
                    self._demand(migration)
                    self._record(migration, "applied")
                return
            except psycopg.errors.LockNotAvailable:
                if attempt == LOCK_TRIES:
                    raise
                self.say(f"{migration.version}: a table is busy, try {attempt} of {LOCK_TRIES}")
                time.sleep(2**attempt * (0.2 + 0.2 * random.random()))  # noqa: S311 - jitter

    def _apply_without_transaction(self, migration: Migration) -> None:
        interrupted = any(version == migration.version for version, _, state in self._ledger() if state == "running")
        self._record(migration, "running")
        if self._missing(migration):
            if interrupted:  # whatever the earlier attempt left, such as an invalid index, goes first
                self._execute(migration.revert)
            self.connection.execute("set lock_timeout = '60s'")
            self._execute(migration.sql)
            self.connection.execute("reset lock_timeout")
        self._demand(migration)
        self._record(migration, "applied")

    def _demand(self, migration: Migration) -> None:
        missing = self._missing(migration)
        if missing:
            raise MigrationError(f"{migration.version} ran, but its verify misses {', '.join(missing)}")

    def _missing(self, migration: Migration) -> list[str]:
        return [component.name for component in self._components(migration) if not component.present]

    def _components(self, migration: Migration) -> list[Component]:
        try:
            with self.connection.transaction(), self.connection.cursor() as cursor:
                cursor.execute(migration.verify)
                row, columns = cursor.fetchone() or (), cursor.description or []
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction) as error:
            return [Component("table", str(error.diag.message_primary), False)]
        return [Component.named(column.name, value is True) for column, value in zip(columns, row, strict=True)]

    def _pending(self, to: str | None) -> list[Migration]:
        known = {version for version, _, state in self._checked_ledger() if state != "running"}
        wanted = [m for m in self.migrations if to is None or m.version <= to]
        return [migration for migration in wanted if migration.version not in known]

    def _applied(self) -> list[Migration]:
        known = {version for version, _, state in self._checked_ledger() if state != "running"}
        return [migration for migration in self.migrations if migration.version in known]

    def _checked_ledger(self) -> list[tuple[str, str, str]]:
        """The ledger, which must be the beginning of the folder, text for text."""
        ledger = self._ledger()
        for (version, checksum, _), migration in zip(ledger, self.migrations, strict=False):
            if version != migration.version:
                raise Drift(f"the ledger has {version} where the folder has {migration.version}")
            if checksum != migration.checksum:
                raise Drift(
                    f"{version} was edited after it was applied: applied {checksum}, file {migration.checksum}; "
                    "restore the file and write a new migration"
                )
        if len(ledger) > len(self.migrations):
            raise Ahead(f"the ledger has {ledger[len(self.migrations)][0]}, which the folder lacks")
        return ledger

    def _ledger(self) -> list[tuple[str, str, str]]:
        if not _scalar(self.connection, "select to_regclass('ventana_meta.schema_migrations') is not null"):
            return []
        return [(str(version), str(checksum), str(state)) for version, checksum, state in self.connection.execute(READ)]

    def _record(self, migration: Migration, state: str) -> None:
        self.connection.execute(
            """insert into ventana_meta.schema_migrations (version, checksum, state, finished_at)
               values (%(version)s, %(checksum)s, %(state)s,
                       case when %(state)s <> 'running' then clock_timestamp() end)
               on conflict (version) do update set state = excluded.state, finished_at = excluded.finished_at""",
            {"version": migration.version, "checksum": migration.checksum, "state": state},
        )
        self._log(migration.version, "baseline" if state == "baseline" else "up", state)

    def _log(self, *entry: str) -> None:
        self.connection.execute(
            "insert into ventana_meta.migration_log (version, action, outcome) values (%s, %s, %s)", entry
        )

    def _execute(self, sql: str) -> None:
        self.connection.execute(sql)  # whole and without parameters: the server splits it

    def _report(self, outcome: Outcome, applied: list[Migration]) -> Outcome:
        outcome.components = [component for migration in applied for component in self._components(migration)]
        print_report(self.connection, outcome.components, self.say)
        return outcome


def _scalar(connection: psycopg.Connection, query: LiteralString, *parameters: object) -> object:
    return (connection.execute(query, parameters).fetchone() or (None,))[0]


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the exit code is 0, or 1 with one line that says what to do."""
    parser = argparse.ArgumentParser(prog="ventana.schema.migrate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--to", help="the version to stop at")
    parser.add_argument("--dsn", default=os.environ.get("DATABASE_URL"), help="default: DATABASE_URL")
    options = parser.parse_args(arguments)
    if not options.dsn:
        parser.error("say which database: set DATABASE_URL or give --dsn")
    try:
        run(options.action, options.dsn, to=options.to, say=lambda line: print(line, flush=True))  # noqa: T201
    except (MigrationError, psycopg.Error) as error:
        print(f"migrate {options.action}: {str(error).strip()}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
