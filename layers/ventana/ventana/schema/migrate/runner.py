"""One run of an action on one database: up, plan, verify, revert or baseline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg.sql import SQL, Identifier

from ventana.schema.migrate.archive import archive_columns_and_tables, run_companion, unarchive
from ventana.schema.migrate.catalog import Catalog, home_schema, read_catalog
from ventana.schema.migrate.drift import additions, differences
from ventana.schema.migrate.folder import Drift, Migration, MigrationError
from ventana.schema.migrate.ledger import Ledger
from ventana.schema.migrate.plan import print_plan
from ventana.schema.migrate.rehearse import Rehearsed, rehearse
from ventana.schema.migrate.report import Component, components, print_report
from ventana.schema.migrate.steps import Limits, build_index, in_transaction

Say = Callable[[str], None]


@dataclass
class Outcome:
    """What a run did: versions applied, reverted or pending, and each component of the schema, present or not."""

    action: str
    done: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)


class Runner:
    """Works on the database behind `connection`; `dsn` is for the connections that build indexes."""

    def __init__(
        self, connection: psycopg.Connection, dsn: str, migrations: list[Migration], say: Say, limits: Limits
    ) -> None:
        self.connection, self.dsn, self.migrations, self.say, self.limits = connection, dsn, migrations, say, limits
        self.ledger = Ledger(connection)
        self._rehearsed: list[Rehearsed] = []

    def plan(self, to: str | None) -> Outcome:
        """Say what `up` would do, step by step, with the locks it takes; changes nothing."""
        pending = self.ledger.pending(self.migrations, to)
        with_done = [(migration, self.ledger.steps_done(migration.version)) for migration in pending]
        print_plan(self.connection, with_done, self.say)
        self.say(f"{len(pending)} pending; nothing was changed")
        return Outcome("plan", pending=[migration.version for migration in pending])

    def verify(self) -> Outcome:
        """Compare the database with what the applied versions make. Raises Drift with every difference."""
        applied = self.ledger.applied(self.migrations)
        outcome, rehearsed = self._report(Outcome("verify"), applied)
        outcome.pending = [migration.version for migration in self.ledger.pending(self.migrations, None)]
        if not rehearsed:
            return outcome
        expected, found = dict(rehearsed[-1].after), self._catalog()
        for begun in self.ledger.begun(self.migrations):
            self.say(f"under way, so that what it changes was not compared: {begun.version}; go on with `up`")
            changes = self._rehearse(begun)[-1].after
            expected = {name: text for name, text in expected.items() if changes.get(name) == text}
            found = {name: text for name, text in found.items() if name in expected or name not in changes}
        for addition in additions(expected, found):
            self.say(f"not ours: {addition}")
        wrong = differences(expected, found)
        if wrong:
            raise Drift("the database is not what the ledger says:" + "".join(f"\n  {each}" for each in wrong))
        return outcome

    def up(self, to: str | None) -> Outcome:
        """Apply what is pending, each version once, and bring back what a former revert has archived."""
        pending = self.ledger.pending(self.migrations, to)
        rehearsed = {each.migration.version: each for each in self._rehearse(pending[-1] if pending else None)}
        if pending and pending[0] is self.migrations[0] and not self.ledger.entries():
            there = {name for name in rehearsed[pending[0].version].made if name.startswith("table ")}
            if there and there <= set(self._catalog()):
                raise Drift(f"{pending[0].version} is there, but not in the ledger: run `baseline` to adopt it")
        for migration in pending:
            started = time.monotonic()
            self._apply(migration, rehearsed[migration.version])
            self.say(f"applied {migration.version} in {time.monotonic() - started:.2f} s")
        self.say(f"{len(pending)} applied")
        done = [migration.version for migration in pending]
        return self._report(Outcome("up", done=done), self.ledger.applied(self.migrations))[0]

    def rehearsal(self, to: str | None) -> Outcome:
        """Run what is pending in one transaction and take it back: whether it would run on this very data."""
        pending = self.ledger.pending(self.migrations, to)
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("set local lock_timeout = '2s'")
            for migration in pending:
                done = self.ledger.steps_done(migration.version)
                for place, step in enumerate(migration.steps):
                    if step.index or place in done:
                        self.say(f"left out {migration.version}: {step.name}")
                    else:
                        self.connection.execute(step.sql.encode())
                        self.say(f"ran {migration.version}: {step.name}")
        self.say(f"{len(pending)} pending; everything was taken back")
        return Outcome("up", pending=[migration.version for migration in pending])

    def revert(self, to: str | None, archive: bool) -> Outcome:
        """Take versions back, in one transaction; rows that the former schema cannot hold are archived first."""
        applied = self.ledger.applied(self.migrations)
        versions = [migration.version for migration in applied]
        keep = versions.index(to) + 1 if to in versions else len(versions) if to else len(versions) - 1
        undone = self._rehearse(applied[-1] if applied else None)[max(keep, 0) :][::-1]

        def take_back() -> None:
            for each in undone:
                self._revert_one(each, archive)

        in_transaction(self.connection, take_back, "revert", self.say, self.limits)
        for each in undone:
            self.say(f"reverted {each.migration.version}")
        return Outcome("revert", done=[each.migration.version for each in undone])

    def baseline(self, to: str | None) -> Outcome:
        """Adopt a database that was migrated by other means, as far as it is what the versions make."""
        if self.ledger.entries():
            raise MigrationError("this database has a ledger already; use `up`")
        found, rehearsed = self._catalog(), self._rehearse(self.migrations[-1])
        adopted = _adoptable(rehearsed, found, to)
        with self.connection.transaction():
            for migration in adopted:
                self.ledger.record(migration, "baseline")
        versions = [migration.version for migration in adopted]
        self.say(f"adopted {', '.join(versions)}")
        return self._report(Outcome("baseline", done=versions), adopted)[0]

    def _apply(self, migration: Migration, rehearsed: Rehearsed) -> None:
        self.ledger.record(migration, "running")
        done = self.ledger.steps_done(migration.version)
        last = len(migration.steps) - 1
        for place, (step, made) in enumerate(zip(migration.steps, rehearsed.made_by_step, strict=True)):
            if place in done:
                continue
            started = time.monotonic()
            if step.index:
                build_index(self.connection, self.dsn, step, made, self.say, self.limits)
                self.ledger.record_step(migration.version, place, step.name)
            else:

                def work(place: int = place) -> None:
                    step = migration.steps[place]
                    self.connection.execute(step.sql.encode())
                    self.ledger.record_step(migration.version, place, step.name)
                    if place == last:
                        self._complete(migration, rehearsed)

                what = f"{migration.version}: {step.name}"
                in_transaction(self.connection, work, what, self.say, self.limits)
            if last:
                self.say(f"  {step.name} in {time.monotonic() - started:.2f} s")
        with self.connection.transaction():
            self._complete(migration, rehearsed)

    def _complete(self, migration: Migration, rehearsed: Rehearsed) -> None:
        """A version is applied when everything that it makes is there as it should be."""
        wrong = differences(rehearsed.made, self._catalog())
        if wrong:
            raise MigrationError(f"{migration.version} ran, but left {'; '.join(wrong)}")
        self._secure([name.split(" ")[1] for name in rehearsed.made if name.startswith("table ")])
        unarchive(self.connection, migration, self.say)
        self.ledger.record(migration, "applied")

    def _secure(self, tables: list[str]) -> None:
        """Where conversations have row-level security (Supabase), new tables are not more open than they are."""
        secured = self.connection.execute(
            "select relrowsecurity from pg_class where oid = to_regclass('kommo_conversations')"
        ).fetchone()
        if secured == (True,):
            for table in tables:
                self.connection.execute(SQL("alter table {} enable row level security").format(Identifier(table)))

    def _revert_one(self, each: Rehearsed, archive: bool) -> None:
        migration = each.migration
        if archive:
            run_companion(self.connection, migration.archive)
        archive_columns_and_tables(self.connection, migration.version, each, self.say)
        self.connection.execute(migration.revert.encode())
        self.ledger.forget(migration.version)

    def _catalog(self) -> Catalog:
        return read_catalog(self.connection, home_schema(self.connection))

    def _rehearse(self, last: Migration | None) -> list[Rehearsed]:
        """What the versions up to `last` make; it takes a moment, so it is done once."""
        wanted = self.migrations.index(last) + 1 if last is not None else 0
        if len(self._rehearsed) < wanted:
            self._rehearsed = rehearse(self.connection, self.migrations[:wanted])
        return self._rehearsed[:wanted]

    def _report(self, outcome: Outcome, applied: list[Migration]) -> tuple[Outcome, list[Rehearsed]]:
        rehearsed = self._rehearse(applied[-1] if applied else None)
        outcome.components = components(rehearsed, self._catalog())
        print_report(self.connection, outcome.components, self.say)
        return outcome, rehearsed


def _adoptable(rehearsed: list[Rehearsed], found: Catalog, to: str | None) -> list[Migration]:
    """The versions whose whole result is there. What later versions change anew may be as a former hand has left it."""
    for last in range(len(rehearsed), 0, -1):
        wrong = differences(rehearsed[last - 1].after, found)
        if to is not None and rehearsed[last - 1].migration.version != to:
            continue
        if not wrong:
            return [each.migration for each in rehearsed[:last]]
    if to is None and len(rehearsed) > 1:
        # The second version was run by hand, with other details: it runs again and makes them as they should be.
        open_to_change = set(rehearsed[1].made)
        expected = {name: text for name, text in rehearsed[0].after.items() if name not in open_to_change}
        if not differences(expected, found):
            return [rehearsed[0].migration]
    first = rehearsed[0] if to is None else next(each for each in rehearsed if each.migration.version == to)
    wrong = differences(first.after, found)
    raise Drift(f"not adopted, nothing was changed: {first.migration.version} differs in {'; '.join(wrong)}")
