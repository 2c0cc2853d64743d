"""What `plan` prints: for each step that is not done, what it asks of the database, and for how long."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import psycopg

from ventana.schema.migrate.folder import Migration, Step
from ventana.schema.migrate.locks import NONE, Demand, demands
from ventana.schema.migrate.statements import statements

BYTES_A_SECOND = {"scans": 200_000_000, "scans twice": 50_000_000, "build index": 25_000_000, "rewrites": 20_000_000}
"""What a small server does whose memory holds nothing of the table: rather too slow than too fast."""
WORK = {NONE: "neither scans nor rewrites", "scans": "scans all of it", "scans twice": "scans all of it twice"}
SIZE = "select coalesce(pg_table_size(to_regclass(%s)), 0)"
INDEXES = "select i.indexrelid::regclass::text, i.indrelid::regclass::text from pg_index i"
CREATED = re.compile(
    r"create (?:unique )?index (?:concurrently )?(?:if not exists )?(\w+) on (?:only )?(?:\w+\.)?(\w+)"
)


def print_plan(
    connection: psycopg.Connection, pending: Iterable[tuple[Migration, set[int]]], say: Callable[[str], None]
) -> None:
    """Say of each migration what its steps take, and how long; but of those at the places that are done already."""
    indexes = {str(index): str(table) for index, table in connection.execute(INDEXES)}
    for migration, done in pending:
        say(f"would apply {migration.version} {migration.checksum[:12]}")
        for place, step in enumerate(migration.steps):
            if place not in done:
                for line in _lines(connection, step, indexes):
                    say(line)
            indexes |= _created(step)


def _lines(connection: psycopg.Connection, step: Step, indexes: dict[str, str]) -> Iterator[str]:
    asked = demands(step, indexes)
    seconds = sum(_seconds(connection, demand) for demand in asked)
    how = "no transaction, beside writers" if step.index else "one transaction"
    yield f"  {step.name} ({how}, {f'about {seconds:.0f} s' if seconds >= 1 else 'less than 1 s'})"
    new = {demand.target for demand in asked if demand.kind == "create table"}
    felt = [demand for demand in asked if demand.kind == "create table" or demand.target not in new]
    # Together in one line: what is done to a table under one lock, and what is done to many things under none.
    for (what, lock, work), alike in groupby(felt, key=_together):
        if lock == NONE:
            yield f"    {what} {', '.join(demand.target for demand in alike)}: locks nothing"
        else:
            kinds = ", ".join(dict.fromkeys(demand.kind for demand in alike))
            yield f"    {f'{kinds} {what}'.strip()}: lock {lock}, {WORK.get(work, work)}"


def _together(demand: Demand) -> tuple[str, str, str]:
    if demand.lock == NONE:
        return demand.kind, NONE, NONE
    return f"on {demand.target}" if demand.target else "", demand.lock, demand.work


def _created(step: Step) -> dict[str, str]:
    return {found[1]: found[2] for each in statements(step.sql) if (found := CREATED.match(each))}


def _seconds(connection: psycopg.Connection, demand: Demand) -> float:
    rate = BYTES_A_SECOND.get("build index" if demand.kind == "build index" else demand.work)
    if rate is None:
        return 0.0
    row = connection.execute(SIZE, (demand.target,)).fetchone()
    return float(row[0]) / rate if row else 0.0
