"""What ran on this database: a row for each version and each step, written in the same commit as the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Composed

from ventana.schema.migrate.folder import Ahead, Drift, Migration

TABLES = """
create schema if not exists ventana_meta;
create table if not exists ventana_meta.schema_migrations (
    version text primary key,
    checksum text not null,
    state text not null check (state in ('running', 'applied', 'baseline')),
    applied_by text not null default current_user,
    started_at timestamptz not null default now(),
    finished_at timestamptz
);
create table if not exists ventana_meta.schema_steps (
    version text not null references ventana_meta.schema_migrations (version) on delete cascade,
    place integer not null,
    name text not null,
    finished_at timestamptz not null default clock_timestamp(),
    primary key (version, place)
);
create table if not exists ventana_meta.migration_log (
    id bigint generated always as identity primary key,
    version text not null, action text not null, outcome text not null,
    at timestamptz not null default clock_timestamp(), by text not null default current_user
);
"""
READ = 'select version, checksum, state from ventana_meta.schema_migrations order by version collate "C"'
RECORD = """
insert into ventana_meta.schema_migrations (version, checksum, state, finished_at)
values ({version}, {checksum}, {state}, case when {state} <> 'running' then clock_timestamp() end)
on conflict (version) do update
   set state = excluded.state, checksum = excluded.checksum, finished_at = excluded.finished_at
"""
LOG = "insert into ventana_meta.migration_log (version, action, outcome) values ({version}, {action}, {outcome})"


@dataclass(frozen=True)
class Entry:
    """A version in the ledger: running, applied, or adopted as baseline."""

    version: str
    checksum: str
    state: str


class Ledger:
    """The ledger of the database that `connection` leads to."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def ensure(self) -> None:
        """Make the tables of the ledger where they are not there."""
        self._connection.execute(TABLES)

    def entries(self) -> list[Entry]:
        """Every version that ran or began to, in order."""
        there = self._connection.execute("select to_regclass('ventana_meta.schema_migrations') is not null").fetchone()
        return [Entry(*map(str, row)) for row in self._connection.execute(READ)] if there == (True,) else []

    def checked(self, migrations: Sequence[Migration]) -> list[Entry]:
        """The entries, which must be the beginning of the folder, text for text. Raises Drift or Ahead."""
        entries = self.entries()
        for entry, migration in zip(entries, migrations, strict=False):
            if entry.version != migration.version:
                raise Drift(f"the ledger has {entry.version} where the folder has {migration.version}")
            if entry.checksum not in migration.checksums:
                raise Drift(
                    f"{entry.version} was edited after it was applied: applied {entry.checksum}, file "
                    f"{migration.checksum}; restore the file and write a new migration"
                )
        if len(entries) > len(migrations):
            raise Ahead(f"the ledger has {entries[len(migrations)].version}, which the folder lacks")
        return entries

    def applied(self, migrations: Sequence[Migration]) -> list[Migration]:
        """The migrations that are done."""
        done = {entry.version for entry in self.checked(migrations) if entry.state != "running"}
        return [migration for migration in migrations if migration.version in done]

    def begun(self, migrations: Sequence[Migration]) -> list[Migration]:
        """The migrations of which some steps may be done, and others not."""
        running = {entry.version for entry in self.checked(migrations) if entry.state == "running"}
        return [migration for migration in migrations if migration.version in running]

    def pending(self, migrations: Sequence[Migration], to: str | None) -> list[Migration]:
        """The migrations that are not done, up to the version `to`."""
        done = {migration.version for migration in self.applied(migrations)}
        return [m for m in migrations if m.version not in done and (to is None or m.version <= to)]

    def steps_done(self, version: str) -> set[int]:
        """The places of the steps of a version that are done."""
        there = self._connection.execute("select to_regclass('ventana_meta.schema_steps') is not null").fetchone()
        if there != (True,):
            return set()
        query = "select place from ventana_meta.schema_steps where version = %s"
        return {int(place) for (place,) in self._connection.execute(query, (version,))}

    def record(self, migration: Migration, state: str) -> None:
        """Write down how far a version is."""
        self._connection.execute(self.recording(migration, state))

    def recording(self, migration: Migration, state: str) -> Composed:
        """The statements that write down how far a version is."""
        version = migration.version
        recorded = SQL(RECORD).format(version=version, checksum=migration.checksum, state=state)
        if state == "running":
            return recorded
        logged = SQL(LOG).format(version=version, action="baseline" if state == "baseline" else "up", outcome=state)
        return recorded + SQL(";") + logged

    def step_done(self, version: str, place: int, name: str) -> Composed:
        """The statement that writes down that a step is done."""
        return SQL(
            "insert into ventana_meta.schema_steps (version, place, name) values ({}, {}, {}) on conflict do nothing"
        ).format(version, place, name)

    def forget(self, version: str) -> None:
        """The version was taken back."""
        self._connection.execute("delete from ventana_meta.schema_migrations where version = %s", (version,))
        self._connection.execute(SQL(LOG).format(version=version, action="revert", outcome="done"))
