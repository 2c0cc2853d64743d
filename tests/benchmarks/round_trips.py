"""How often a warm webhook waits for Postgres, counted on the wire: one Sync, or one simple Query, is one wait."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import psycopg

from tests.benchmarks.figures import Row, row
from tests.benchmarks.system import KINDS, as_sent, running
from tests.benchmarks.webhooks import event_of
from ventana.schema.types import Connection
from ventana.webhook import Event, Handler

PART = "round_trips"
WAIT = re.compile(r"\tF\t\d+\t(?:Sync|Query)\b")
LIMIT = 1


def measure(rounds: int = 20) -> list[Row]:
    """Count each call on its own, from the second one of its connection on: the first one opens it."""
    rows = []
    with running() as system, psycopg.connect(system.dsn, autocommit=True) as connection:
        for kind in KINDS:
            identities = kind.identities(rounds + 1)
            if kind.is_status:
                as_sent(connection, kind, [identity for each in identities for identity in each])
            handler, database = system.handlers[kind.provider], system.databases[kind.provider]
            first, *events = [event_of(kind.request(each)) for each in identities]
            handler(first, None)
            count = partial(_waits, handler, system.directory / "trace")
            waits = [database.call(partial(count, event)) for event in events]
            rows.append(row(PART, kind.name, "waits", waits, limit=LIMIT))
    return rows


def _waits(handler: Handler, trace: Path, event: Event, connection: Connection) -> int:
    with trace.open("w") as file:
        connection.pgconn.trace(file.fileno())
        handler(event, None)
        connection.pgconn.untrace()
    return len(WAIT.findall(trace.read_text()))
