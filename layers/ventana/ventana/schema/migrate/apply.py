"""Applying a version step by step, so that a run that is killed anywhere is taken up by the next one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ventana.schema.migrate.access import close_functions
from ventana.schema.migrate.archive import unarchive
from ventana.schema.migrate.builds import build_index
from ventana.schema.migrate.catalog import home_schema, read_catalog
from ventana.schema.migrate.drift import differences
from ventana.schema.migrate.folder import Migration, MigrationError, Step
from ventana.schema.migrate.ledger import Ledger
from ventana.schema.migrate.rehearse import Rehearsed
from ventana.schema.migrate.steps import Limits, Say, locked_tables, patiently, prelude

# Where conversations have row-level security (Supabase), new tables are to be no more open than they are.
BEFORE = """
select coalesce((select relrowsecurity from pg_class where oid = to_regclass('kommo_conversations')), false),
       to_regnamespace('ventana_archive') is not null
"""


@dataclass(frozen=True)
class _Before:
    """What the database was like before a version: where its tables are, whether their rows are secured, and whether a
    revert has archived something."""

    home: str
    secured: bool
    archived: bool


class Applier:
    """Works on the database behind `connection`; `dsn` is for the connections that build indexes."""

    def __init__(self, connection: psycopg.Connection, dsn: str, ledger: Ledger, say: Say, limits: Limits) -> None:
        self.connection, self.dsn, self.ledger, self.say, self.limits = connection, dsn, ledger, say, limits

    def apply(self, rehearsed: Rehearsed) -> None:
        """Do the steps that are not done, look at what came of them, and write down that the version is applied."""
        migration = rehearsed.migration
        self.ledger.record(migration, "running")
        if len(migration.steps) == 1 and migration.steps[0].index is None:
            self._at_once(rehearsed)
            return
        done = self.ledger.steps_done(migration.version)
        for place, (step, made) in enumerate(zip(migration.steps, rehearsed.made_by_step, strict=True)):
            if place in done:
                continue
            started = time.monotonic()
            if step.index:
                build_index(self.connection, self.dsn, step, made, self.say, self.limits)
                self.connection.execute(self.ledger.step_done(migration.version, place, step.name))
            else:
                self._step(migration, place, step)
            self.say(f"  {step.name} in {time.monotonic() - started:.2f} s")
        before = self._before()
        with self.connection.transaction():
            self._complete(rehearsed, before)

    def repair(self, applied: Sequence[Rehearsed]) -> None:
        """Build indexes anew that are there and broken: a build of theirs died, or somebody's REINDEX did."""
        found = read_catalog(self.connection, home_schema(self.connection))
        for version in applied:
            for step, made in zip(version.migration.steps, version.made_by_step, strict=True):
                if step.index and found.get(f"index {step.index}", "").endswith(" (invalid)"):
                    build_index(self.connection, self.dsn, step, made, self.say, self.limits)
                    self.say(f"repaired {step.index} of {version.migration.version}")

    def _step(self, migration: Migration, place: int, step: Step) -> None:
        """One transaction in one message to the server: no lock is held while the network takes its time."""
        tables = locked_tables(self.connection, step)

        def work() -> None:
            message = Composed(
                [
                    SQL("begin;"),
                    prelude(tables, self.limits),
                    SQL(step.sql),
                    SQL("\n;"),
                    self.ledger.step_done(migration.version, place, step.name),
                    SQL("; commit"),
                ]
            )
            self.connection.execute(message)

        patiently(self.connection, work, f"{migration.version}: {step.name}", tables, self.say, self.limits)

    def _at_once(self, rehearsed: Rehearsed) -> None:
        """A version of one step leaves nothing behind when it made something else than it should."""
        migration, (step,) = rehearsed.migration, rehearsed.migration.steps
        tables, before = locked_tables(self.connection, step), self._before()

        def work() -> None:
            with self.connection.transaction():
                done = self.ledger.step_done(migration.version, 0, step.name)
                self.connection.execute(Composed([prelude(tables, self.limits), SQL(step.sql), SQL("\n;"), done]))
                self._complete(rehearsed, before)

        patiently(self.connection, work, f"{migration.version}: {step.name}", tables, self.say, self.limits)

    def _before(self) -> _Before:
        """Asked before a transaction begins, so that its locks do not wait for the answer."""
        home = home_schema(self.connection)
        row = self.connection.execute(BEFORE).fetchone() or (False, False)
        return _Before(home, secured=bool(row[0]), archived=bool(row[1]))

    def _complete(self, rehearsed: Rehearsed, before: _Before) -> None:
        """A version is applied when everything that it makes is there as it should be."""
        close_functions(self.connection, before.home, rehearsed.made)
        wrong = differences(rehearsed.made, read_catalog(self.connection, before.home))
        if wrong:
            raise MigrationError(f"{rehearsed.migration.version} ran, but left {'; '.join(wrong)}")
        if before.archived:
            unarchive(self.connection, rehearsed.migration, self.say)
        tables = [name.split(" ")[1] for name in rehearsed.made if name.startswith("table ")] if before.secured else []
        secure = [SQL("alter table {} enable row level security;").format(Identifier(table)) for table in tables]
        self.connection.execute(Composed([*secure, self.ledger.recording(rehearsed.migration, "applied")]))
