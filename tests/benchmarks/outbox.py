"""Events published a second, claimed, handed to the bus and confirmed ten at a time, by one publisher, while the bus
answers at once. Beside it the least that ten events need: one update that claims them, one that confirms them."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from tests.benchmarks.figures import Row, row
from tests.benchmarks.functions import answering_at_once
from tests.benchmarks.system import logging_to, server
from tests.benchmarks.timing import rounds_of
from ventana.outbox import EVENTS_A_CALL, Outbox
from ventana.schema.connection import Database
from ventana.schema.types import Connection
from ventana.settings import Settings

PART = "outbox"
EVENTS = 500
PUBLISHED = 20_000
"""What was published before, and is still there."""
SECONDS = 20.0
FILL = """
insert into events (name, detail, occurred_at, published_at)
select 'MessageReceived',
       jsonb_build_object('message_id', gen_random_uuid(), 'conversation_id', gen_random_uuid(), 'provider', 'meta',
                          'text', repeat('x', 100)),
       now(), case when %s then now() end
  from generate_series(1, %s)
"""
FLOOR_TABLE = """
create table floor_events (
    id uuid primary key default gen_random_uuid(), detail jsonb not null, claimed_until timestamptz,
    published_at timestamptz
)"""
FLOOR_FILL = "insert into floor_events (detail) select '{}' from generate_series(1, %s) returning id"
FLOOR_CLAIM = "update floor_events set claimed_until = now() where id = any(%s) returning id, detail"
FLOOR_FINISH = "update floor_events set published_at = now(), claimed_until = null where id = any(%s)"


def measure(rounds: int = 9, events: int = EVENTS, published: int = PUBLISHED) -> list[Row]:
    """Publish so many in each round."""
    ours, floors = [], []
    with server() as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(FLOOR_TABLE)
        connection.execute(FILL, [True, published])
        connection.execute("vacuum analyze")
        database = Database(Settings(database_url=postgres.dsn()))
        outbox = Outbox(database, "ventana")
        with answering_at_once(), logging_to(postgres.places.state / "functions.log"):
            for counts in rounds_of(rounds, SECONDS):
                connection.execute(FILL, [False, events])
                found = _published(outbox, events), _updated(connection, events)
                if counts:
                    ours.append(found[0])
                    floors.append(found[1])
        database.close()
    return [row(PART, "published", "events/s", ours, floors)]


def _published(outbox: Outbox, events: int) -> float:
    started = time.perf_counter()
    done = 0
    while taken := outbox.publish():
        done += taken
    if done != events:
        raise SystemExit(f"{done} events published, not {events}")
    return events / (time.perf_counter() - started)


def _updated(connection: Connection, events: int) -> float:
    ids: list[Any] = [found for (found,) in connection.execute(FLOOR_FILL, [events])]
    started = time.perf_counter()
    for start in range(0, events, EVENTS_A_CALL):
        some = ids[start : start + EVENTS_A_CALL]
        connection.execute(FLOOR_CLAIM, [some]).fetchall()
        connection.execute(FLOOR_FINISH, [some])
    return events / (time.perf_counter() - started)
