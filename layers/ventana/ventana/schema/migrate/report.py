"""The report of the migration runner: each part of the schema, present or not, then the view's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import psycopg

from ventana.schema.migrate.catalog import Catalog
from ventana.schema.migrate.drift import alike
from ventana.schema.migrate.rehearse import Rehearsed

STATISTICS = "select provider, total, active, escalated, within_24h from active_conversations_by_provider"
HEADINGS = {
    "table": "Tables",
    "column": "Columns",
    "constraint": "Constraints",
    "index": "Indexes",
    "function": "Functions",
    "trigger": "Triggers",
    "view": "Views",
}


@dataclass(frozen=True)
class Component:
    """One part of the schema: kind, name, and state: present, MISSING, or DIFFERS from what it should be."""

    kind: str
    name: str
    state: str

    @property
    def present(self) -> bool:
        """Whether it is there as it should be."""
        return self.state == "present"


def components(rehearsed: Iterable[Rehearsed], found: Catalog) -> list[Component]:
    """What these versions made, beside what is there; each part once, as the last version leaves it.

    A table that came as a whole stands for its columns and constraints, unless one of them is not as it should be.
    """
    made: dict[str, tuple[str, str]] = {}
    whole: set[str] = set()
    last: Catalog = {}
    for version in rehearsed:
        last = version.after
        tables = {name.partition(" ")[2] for name in version.made if name.startswith("table ")}
        whole |= {name for name in version.made if _table_of(name) in tables}
        for name, definition in version.made.items():
            former = version.before.get(name, "")
            label = f"{name} nullable" if " not null" in former and " not null" not in definition else name
            made[name] = (made[name][0] if name in made and label == name else label, definition)
    parts = []
    for name, (label, definition) in made.items():
        state = _state(definition, found.get(name))
        if name not in last or (name in whole and label == name and state == "present"):
            continue
        kind, _, rest = label.partition(" ")
        if kind == "access":
            continue  # a function stands for who may call it; `verify` tells them apart
        if kind in ("constraint", "trigger"):
            rest = rest.rpartition(" on ")[0]
        parts.append(Component(kind, rest.partition("(")[0] + "()" if kind == "function" else rest, state))
    return parts


def _table_of(name: str) -> str:
    """The table that a column or constraint is a part of; nothing else is part of one."""
    kind, _, rest = name.partition(" ")
    if kind == "constraint":
        return rest.rpartition(" on ")[2]
    return rest.partition(".")[0] if kind == "column" else ""


def _state(expected: str, found: str | None) -> str:
    return "MISSING" if found is None else "present" if alike(expected, found) else "DIFFERS"


def print_report(connection: psycopg.Connection, parts: list[Component], say: Callable[[str], None]) -> None:
    """Say every component by kind, then the conversations by provider where the view exists."""
    order = list(HEADINGS)
    for kind, group in groupby(sorted(parts, key=lambda part: order.index(part.kind)), key=lambda part: part.kind):
        say(f"{HEADINGS[kind]}:")
        for part in group:
            say(f"  {part.state}  {part.name}")
    if connection.execute("select to_regclass('active_conversations_by_provider') is not null").fetchone() == (True,):
        say(f"{'Provider':<10}{'Total':>7}{'Active':>8}{'Escalated':>11}{'Within_24h':>12}")
        for provider, total, active, escalated, within in connection.execute(STATISTICS):
            say(f"{provider:<10}{total:>7}{active:>8}{escalated:>11}{within:>12}")
