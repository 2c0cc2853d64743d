"""A thousand windows that have just closed, announced and marked, among few and among many conversations: the cost must
follow what is due and not how large the table is. Beside the fewest stand bare writes of the same rows, beside the
others the fewest. CONVERSATIONS lists the sizes, by default 10k,1M.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from tests.benchmarks.figures import Row, row
from tests.benchmarks.population import populate
from tests.benchmarks.sizes import named, sizes_of
from tests.benchmarks.system import LARGE, copies, server
from tests.benchmarks.timing import rounds_of, took
from ventana.schema.connection import Database
from ventana.schema.types import Connection
from ventana.schema.windows import sweep_windows
from ventana.settings import Settings

PART = "sweep"
LIMIT = 1.3
"""Times the same among the fewest conversations (design §7)."""
DUE = 1000
BATCH = 500  # as the sweep itself has it
SAMPLE = 20
"""Of this many times what is due, another part is made due each round."""
WARNING = timedelta(hours=1)
TIMEOUT_MS = 60_000
SECONDS = 45.0
SOME = "select id from kommo_conversations order by random() limit %s"
MAKE_DUE = """
update kommo_conversations
   set last_user_message_at = now() - interval '25 hours' - random() * interval '1 hour', window_warned_for = null,
       window_closed_for = null, needs_template = false
 where id = any(%s::uuid[])
"""
FLOOR = """
with closed as (
    update kommo_conversations
       set window_closed_for = last_user_message_at, window_warned_for = last_user_message_at, needs_template = true
     where id = any(%s) returning id
)
insert into events (name, detail, occurred_at)
select 'WindowClosed', jsonb_build_object('conversation_id', id), now() from closed
"""


@dataclass
class Place:
    """One size: its database, and conversations of it of which some are made due."""

    connection: Connection
    database: Database
    ids: list[Any]
    took: list[float] = field(default_factory=list)


def measure(rounds: int = 7, sizes: Sequence[int] | None = None, due: int = DUE) -> list[Row]:
    """Interleave the sizes, and the bare writes of the same rows by their keys."""
    sizes = sorted(sizes) if sizes else sizes_of("CONVERSATIONS", "10k,1M")
    shuffled, bare = random.Random(1), []
    with server(LARGE) as postgres, ExitStack() as stack:
        dsns = copies(postgres, [f"conversations_{size}" for size in sizes])
        places = [_place(stack, dsn, size, due) for dsn, size in zip(dsns, sizes, strict=True)]
        for counts in rounds_of(rounds, SECONDS):
            written = _written(places[0], due)
            if counts:
                bare.append(written)
            for place in shuffled.sample(places, len(places)):
                swept = _swept(place, due)
                if counts:
                    place.took.append(swept)
    rows = [row(PART, f"{due} due among {named(sizes[0])}", "ms", places[0].took, bare)]
    for size, place in zip(sizes[1:], places[1:], strict=True):
        rows.append(row(PART, f"{due} due among {named(size)}", "ms", place.took, places[0].took, LIMIT))
    return rows


def _place(stack: ExitStack, dsn: str, conversations: int, due: int) -> Place:
    connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
    populate(connection, conversations, 0)
    connection.execute("checkpoint")
    database = Database(Settings(database_url=dsn, database_timeout_ms=TIMEOUT_MS))
    stack.callback(database.close)
    ids = [found for (found,) in connection.execute(SOME, [min(conversations, SAMPLE * due)])]
    return Place(connection, database, ids)


def _swept(place: Place, due: int) -> float:
    _make_due(place, due)
    done = 0

    def sweep() -> None:
        nonlocal done
        while (swept := sweep_windows(place.database, WARNING, BATCH)).closed:
            done += swept.closed

    milliseconds = took(sweep)
    if done != due:
        raise SystemExit(f"{done} windows swept, not {due}")
    return milliseconds


def _written(place: Place, due: int) -> float:
    ids = _make_due(place, due)

    def write() -> None:
        for start in range(0, due, BATCH):
            place.connection.execute(FLOOR, [ids[start : start + BATCH]])

    return took(write)


def _make_due(place: Place, due: int) -> list[Any]:
    ids = random.sample(place.ids, due)
    place.connection.execute(MAKE_DUE, [ids])
    # What the rounds before have left behind weighs more in a small table than in a large one.
    place.connection.execute("vacuum kommo_conversations, watched_windows")
    return ids
