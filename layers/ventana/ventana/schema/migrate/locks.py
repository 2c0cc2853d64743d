"""What a step asks of a database in use: the locks that its statements take, and whether they read or rewrite a table.

https://www.postgresql.org/docs/current/explicit-locking.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from ventana.schema.migrate.folder import Migration, Step

SCAN_BYTES_A_SECOND = 200_000_000
BUILD_BYTES_A_SECOND = 25_000_000
COMMENT = re.compile(r"--[^\n]*")
BODY = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
RULES: tuple[tuple[str, str, str, str], ...] = (
    # statement, kind, lock, work
    (r"create (?:unique )?index concurrently [^;]*? on (\w+)", "build index", "SHARE UPDATE EXCLUSIVE", "scans twice"),
    (r"create (?:unique )?index [^;]*? on (\w+)", "build index", "SHARE", "scans"),
    (r"alter table (\w+) validate constraint", "validate constraint", "SHARE UPDATE EXCLUSIVE", "scans"),
    (r"alter table (\w+) add constraint (?:(?!not valid).)*$", "add constraint", "ACCESS EXCLUSIVE", "scans"),
    (r"alter table (?:only )?(\w+) [^;]*", "alter table", "ACCESS EXCLUSIVE", "-"),
    (r"create table (?:if not exists )?(\w+)", "create table", "-", "-"),
    (r"(?:create (?:or replace )?|drop )trigger [^;]* on (\w+)", "trigger", "SHARE ROW EXCLUSIVE", "-"),
    (r"create (?:or replace )?view (\w+)", "view", "-", "-"),
    (r"create (?:or replace )?function (\w+)", "function", "-", "-"),
    (r"drop (table|index|view|function)", "drop", "ACCESS EXCLUSIVE", "-"),
    (r"comment on \w+ ([\w.]+)", "comment", "SHARE UPDATE EXCLUSIVE", "-"),
    (r"(?:insert|update|delete|select|do)\b", "rows", "ROW EXCLUSIVE", "-"),
)


@dataclass(frozen=True)
class Demand:
    """One statement: what kind it is, on which table, which lock it takes there, and whether it reads all of it."""

    kind: str
    target: str
    lock: str
    work: str


def demands(step: Step) -> list[Demand]:
    """What the statements of a step ask for, in order; function bodies are not looked into."""
    text = BODY.sub("''", COMMENT.sub("", step.sql))
    return [_demand(" ".join(statement.split())) for statement in text.split(";") if statement.strip()]


def _demand(statement: str) -> Demand:
    for pattern, kind, lock, work in RULES:
        found = re.match(pattern, statement, re.IGNORECASE)
        if found:
            return Demand(kind, found.group(1) if found.groups() else "", lock, work)
    return Demand(statement.split(" ", 1)[0].lower(), "", "?", "?")


def print_plan(
    connection: psycopg.Connection, migration: Migration, done: set[int], say: Callable[[str], None]
) -> None:
    """Say for each step that is not done what it asks for, and how long that takes at the size the tables have."""
    for place, step in enumerate(migration.steps):
        if place in done:
            continue
        how = "beside writers, no transaction" if step.index else "one transaction"
        say(f"  {step.name} ({how})")
        for demand in demands(step):
            seconds = _seconds(connection, demand)
            estimate = f", about {seconds:.0f} s" if seconds >= 1 else ""
            say(f"    {demand.kind} {demand.target}: lock {demand.lock}, {demand.work}{estimate}".replace(", -", ""))


def _seconds(connection: psycopg.Connection, demand: Demand) -> float:
    if not demand.work.startswith("scans"):
        return 0.0
    row = connection.execute("select coalesce(pg_table_size(to_regclass(%s)), 0)", (demand.target,)).fetchone()
    size = float(row[0]) if row else 0.0
    return size / (BUILD_BYTES_A_SECOND if demand.kind == "build index" else SCAN_BYTES_A_SECOND)
