"""The report of the migration runner: each part of the schema, present or missing, then the view's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import psycopg

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
    """One part of the schema, as a verify file names it: kind, name, and whether it is there."""

    kind: str
    name: str
    present: bool

    @classmethod
    def named(cls, column: str, present: bool) -> Component:
        """Read a verify column, "index idx_messages_provider"."""
        kind, _, name = column.partition(" ")
        return cls(kind, name, present)


def print_report(connection: psycopg.Connection, components: list[Component], say: Callable[[str], None]) -> None:
    """Say every component by kind, then the conversations by provider where the view exists."""
    order = list(HEADINGS)
    for kind, group in groupby(sorted(components, key=lambda c: order.index(c.kind)), key=lambda c: c.kind):
        say(f"{HEADINGS[kind]}:")
        for component in group:
            say(f"  {'present' if component.present else 'MISSING'}  {component.name}")
    if connection.execute("select to_regclass('active_conversations_by_provider') is not null").fetchone() == (True,):
        say(f"{'Provider':<10}{'Total':>7}{'Active':>8}{'Escalated':>11}{'Within_24h':>12}")
        for provider, total, active, escalated, within in connection.execute(STATISTICS):
            say(f"{provider:<10}{total:>7}{active:>8}{escalated:>11}{within:>12}")
