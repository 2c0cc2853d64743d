"""What a step asks of a database in use: the locks that its statements take, and whether they read or rewrite a table.

https://www.postgresql.org/docs/current/explicit-locking.html; a test compares it with what the server does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ventana.schema.migrate.folder import Step
from ventana.schema.migrate.statements import parts, statements

NONE, UNKNOWN = "-", "?"
ROWS, BESIDE, SHARE = "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE"
WRITERS, EVERYBODY = "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE"
STRENGTH = (NONE, ROWS, BESIDE, SHARE, WRITERS, EVERYBODY)
"""From the weakest; SHARE and what follows it keeps writers out. Locks that readers take are not told of."""

NAME = r"(?:if (?:not )?exists )?(?:only )?(?:\w+\.)?(\w+)"
STATEMENTS: tuple[tuple[str, str, str, str], ...] = (
    # statement, kind, lock, work
    (rf"create (?:unique )?index concurrently .*? on {NAME}", "build index", BESIDE, "scans twice"),
    (rf"create (?:unique )?index .*? on {NAME}", "build index", SHARE, "scans"),
    (rf"create (?:unlogged )?table {NAME}", "create table", NONE, NONE),
    (rf"create (?:or replace )?(?:constraint )?trigger .*? on {NAME}", "create trigger", WRITERS, NONE),
    (rf"drop trigger .*? on {NAME}", "drop trigger", EVERYBODY, NONE),
    (rf"(?:create|alter|drop) policy .*? on {NAME}", "policy", EVERYBODY, NONE),
    (rf"create or replace view {NAME}", "replace view", EVERYBODY, NONE),
    (rf"create view {NAME}", "create view", NONE, NONE),
    (rf"(?:create|create or replace|alter|drop) (?:function|procedure) {NAME}", "function", NONE, NONE),
    (rf"create (?:schema|sequence|type|extension) {NAME}", "create", NONE, NONE),
    (rf"drop (?:table|view|sequence) {NAME}", "drop", EVERYBODY, NONE),
    (rf"alter index {NAME} rename", "rename index", BESIDE, NONE),
    (rf"truncate (?:table )?{NAME}", "empty table", EVERYBODY, NONE),
    (rf"comment on (?:table|view) {NAME}", "comment", BESIDE, NONE),
    (r"comment on column (?:\w+\.)??(\w+)\.\w+ ", "comment", BESIDE, NONE),
    (rf"comment on \w+ {NAME}", "comment", NONE, NONE),
    (rf"(?:insert into|update|delete from) {NAME}", "write rows", ROWS, "touches rows"),
    (rf"(?:grant|revoke) .*? on function {NAME}", "access", NONE, NONE),
    (r"select set_config\b()", "setting", NONE, NONE),
    (r"(?:with|select)\b()", "call", ROWS, "touches rows"),
    (r"set\b()", "setting", NONE, NONE),
)
ACTIONS: tuple[tuple[str, str, str, str], ...] = (
    # what ALTER TABLE is to do, kind, lock, work
    (r"validate constraint", "validate constraint", BESIDE, "scans"),
    (r"add (?:constraint \w+ )?foreign key .* not valid$", "add foreign key not valid", WRITERS, NONE),
    (r"add (?:constraint \w+ )?foreign key", "add foreign key", WRITERS, "scans"),
    (r"add (?:constraint \w+ )?(?:unique|primary key) using index", "add constraint by index", EVERYBODY, NONE),
    (r"add (?:constraint \w+ )?(?:unique|primary key|exclude)", "add constraint", EVERYBODY, "scans"),
    (r"add (?:constraint \w+ )?check .* not valid$", "add constraint not valid", EVERYBODY, NONE),
    (r"add (?:constraint \w+ )?check", "add constraint", EVERYBODY, "scans"),
    (r"drop constraint", "drop constraint", EVERYBODY, NONE),
    (r"(?:alter|alter column) \w+ (?:set data )?type", "change type", EVERYBODY, "rewrites"),
    (r"(?:alter|alter column) \w+ set not null", "set not null", EVERYBODY, "scans"),
    (r"(?:alter|alter column) \w+ drop not null", "drop not null", EVERYBODY, NONE),
    (r"(?:alter|alter column) \w+ (?:set|drop) default", "change default", EVERYBODY, NONE),
    (r"(?:alter|alter column) \w+ set (?:statistics|\()", "change statistics", BESIDE, NONE),
    (r"add (?:column )?", "add column", EVERYBODY, NONE),
    (r"drop (?:column )?", "drop column", EVERYBODY, NONE),
    (r"rename", "rename", EVERYBODY, NONE),
    (r"(?:enable|disable) (?:replica |always )?trigger", "switch trigger", WRITERS, NONE),
    (r"(?:(?:enable|disable|force|no force) row level security)", "row security", EVERYBODY, NONE),
    (r"set (?:logged|unlogged|tablespace|access method)", "change storage", EVERYBODY, "rewrites"),
    (r"(?:set|reset) \(", "change settings", BESIDE, NONE),
    (r"owner to", "change owner", EVERYBODY, NONE),
)
CONSTANT = {
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_date",
    "make_interval",
    "numeric",
    "varchar",
}
"""Followed by a parenthesis in a default, and still one value for all rows; any other function may differ by row."""


@dataclass(frozen=True)
class Demand:
    """What one statement asks of one table: the lock that it takes, and whether it scans or rewrites all of it."""

    kind: str
    target: str
    lock: str
    work: str


def demands(step: Step, indexes: Mapping[str, str] | None = None) -> list[Demand]:
    """What the statements of a step ask for, in order; function bodies are not looked into.

    `indexes` tells the table of an index that is dropped: the lock is on that as well.
    """
    return [demand for statement in statements(step.sql) for demand in _demands(statement, indexes or {})]


def _demands(statement: str, indexes: Mapping[str, str]) -> Iterator[Demand]:
    if altered := re.match(rf"alter table {NAME} (.*)", statement):
        for action in parts(altered[2]):
            yield from _action(altered[1], action)
    elif dropped := re.match(rf"drop index (concurrently )?{NAME}", statement):
        yield Demand("drop index", indexes.get(dropped[2], UNKNOWN), BESIDE if dropped[1] else EVERYBODY, NONE)
    else:
        found = _first(STATEMENTS, statement)
        yield found or Demand(statement.split(" ", 1)[0], "", UNKNOWN, UNKNOWN)
        if found and found.kind == "create table":
            yield from _referenced(statement, NONE)


def _action(table: str, action: str) -> Iterator[Demand]:
    found = _first(ACTIONS, action)
    if found is None:
        yield Demand(f"alter table: {action.split(' ', 1)[0]}", table, UNKNOWN, UNKNOWN)
        return
    work = _work_of_column(action) if found.kind == "add column" else found.work
    yield Demand(found.kind, table, found.lock, work)
    yield from _referenced(action, "scans" if found.kind == "add foreign key" else NONE)


def _first(rules: tuple[tuple[str, str, str, str], ...], text: str) -> Demand | None:
    for pattern, kind, lock, work in rules:
        if found := re.match(pattern, text):
            return Demand(kind, found[1] if found.groups() else "", lock, work)
    return None


def _referenced(text: str, work: str) -> Iterator[Demand]:
    """A foreign key puts triggers on the table that it leads to."""
    for table in dict.fromkeys(re.findall(rf"\breferences {NAME}", text)):
        yield Demand("foreign key from elsewhere", table, WRITERS, work)


def _work_of_column(action: str) -> str:
    """A new column is a note in the catalog, unless each row gets a value of its own or has to be looked at."""
    default = re.search(r"\bdefault (.*?)(?= not null| null\b| check | unique| references | constraint |$)", action)
    called = set(re.findall(r"(\w+) ?\(", default[1])) if default else set()
    if called - CONSTANT or re.search(r"\bas identity\b|\) stored\b| (?:small|big)?serial\b", action):
        return "rewrites"
    required = " not null" in action and default is None
    return "scans" if required or re.search(r" check ?\(| unique\b| primary key\b", action) else NONE
