"""The rehearsal: what each step would make of an empty schema on this very server, found out and taken back.

It tells what a database should consist of after each version, in the server's own words, so that nothing has to be
listed by hand beside the migrations. It runs in one transaction, in a schema of its own, and locks nothing of others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from ventana.schema.migrate.catalog import Catalog, read_catalog
from ventana.schema.migrate.folder import Migration

SCHEMA = "ventana_rehearsal"
NOT_BESIDE = re.compile(r"(\bindex\s+)concurrently\b", re.IGNORECASE)


@dataclass(frozen=True)
class Rehearsed:
    """One version: what its steps make or change, as far as each was looked at, and all that there is after it."""

    migration: Migration
    made_by_step: tuple[Catalog, ...]
    before: Catalog
    after: Catalog

    @property
    def made(self) -> dict[str, str]:
        """What the version makes or changes."""
        return {name: definition for name, definition in self.after.items() if self.before.get(name) != definition}


def rehearse(connection: psycopg.Connection, migrations: Sequence[Migration]) -> list[Rehearsed]:
    """Run the migrations in an empty schema, look at it after each step, and take everything back."""
    rehearsed: list[Rehearsed] = []
    with connection.transaction(force_rollback=True):
        connection.execute(f"create schema {SCHEMA}")
        connection.execute(f"set local search_path = {SCHEMA}")
        before: Catalog = {}
        for migration in migrations:
            known: Catalog = before
            made: list[Catalog] = []
            for step in migration.steps:
                connection.execute(NOT_BESIDE.sub(r"\1", step.sql))
                if step.index is None and step is not migration.steps[-1]:
                    made.append({})  # looked at with the next one: only an index is compared by itself
                    continue
                now = read_catalog(connection, SCHEMA)
                made.append({name: text for name, text in now.items() if known.get(name) != text})
                known = now
            rehearsed.append(Rehearsed(migration, tuple(made), before, known))
            before = known
    return rehearsed
