"""One run of an action on one database: up, grant, plan, verify, revert or baseline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from ventana.schema.migrate.access import Access
from ventana.schema.migrate.apply import Applier
from ventana.schema.migrate.archive import archive_columns_and_tables, run_companion
from ventana.schema.migrate.builds import broken_indexes
from ventana.schema.migrate.catalog import Catalog, home_schema, read_catalog
from ventana.schema.migrate.drift import additions, differences
from ventana.schema.migrate.folder import Drift, Migration, MigrationError, Unfinished
from ventana.schema.migrate.ledger import Ledger
from ventana.schema.migrate.plan import print_plan
from ventana.schema.migrate.rehearse import Rehearsed, rehearse
from ventana.schema.migrate.report import Component, components, print_report
from ventana.schema.migrate.steps import Limits, Say, patiently, prelude

NAMED = 3  # of what is pending


@dataclass
class Outcome:
    """What a run did: versions applied, reverted or pending, and each component of the schema, present or not."""

    action: str
    done: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)


class Runner:
    """Works on the database behind `connection`."""

    def __init__(
        self, connection: psycopg.Connection, dsn: str, migrations: list[Migration], say: Say, limits: Limits
    ) -> None:
        self.connection, self.migrations, self.say, self.limits = connection, migrations, say, limits
        self.ledger = Ledger(connection)
        self._applier = Applier(connection, dsn, self.ledger, say, limits)
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
        for name in broken_indexes(self.connection):
            self.say(f"broken, because its build died: index {name}; `up` drops it and builds it anew")
        wrong = differences(expected, found)
        if wrong:
            raise Drift("the database is not what the ledger says:" + "".join(f"\n  {each}" for each in wrong))
        return outcome

    def up(self, to: str | None) -> Outcome:
        """Apply what is pending, each version once, and bring back what a former revert has archived."""
        applied, pending = self.ledger.applied(self.migrations), self.ledger.pending(self.migrations, to)
        rehearsed = self._rehearse((pending or applied)[-1])
        if pending and pending[0] is self.migrations[0] and not self.ledger.entries():
            there = {name for name in rehearsed[0].made if name.startswith("table ")}
            if there and there <= set(self._catalog()):
                raise Drift(f"{pending[0].version} is there, but not in the ledger: run `baseline` to adopt it")
        done: list[str] = []
        try:
            self._applier.repair(rehearsed[: len(applied)])
            for each in rehearsed[len(applied) :]:
                started = time.monotonic()
                self._applier.apply(each)
                done.append(each.migration.version)
                self.say(f"applied {done[-1]} in {time.monotonic() - started:.2f} s")
        except Unfinished as unfinished:
            left = [migration.version for migration in pending[len(done) :]]
            raise Unfinished(f"{unfinished}; pending: {_named(left)}") from None
        self.say(f"{len(done)} applied")
        return self._report(Outcome("up", done=done), self.ledger.applied(self.migrations))[0]

    def grant(self, role: str) -> Outcome:
        """Let a role of the application do what it needs, and nothing else."""
        applied = self.ledger.applied(self.migrations)
        if not applied:
            raise MigrationError("nothing is applied yet: run `up` before `grant`")
        schema = self._rehearse(applied[-1])[-1].after
        Access(self.connection, home_schema(self.connection), schema, self.say, self.limits).grant(role)
        return Outcome("grant")

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
            with self.connection.transaction():
                self.connection.execute(prelude([], self.limits))
                for each in undone:
                    self._revert_one(each, archive)

        patiently(self.connection, take_back, "revert", [], self.say, self.limits)
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

    def _revert_one(self, each: Rehearsed, archive: bool) -> None:
        migration = each.migration
        if archive:
            run_companion(self.connection, migration.archive)
        archive_columns_and_tables(self.connection, each, self.say)
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


def _named(versions: Sequence[str]) -> str:
    """The first few by name: CloudFormation shows the beginning of what a deployment failed with, and no more."""
    if len(versions) <= NAMED + 1:
        return ", ".join(versions) or "nothing else"
    return f"{', '.join(versions[:NAMED])} and {len(versions) - NAMED} more up to {versions[-1]}"


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
