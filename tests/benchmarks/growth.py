"""The same work among ever more messages, ten to a conversation: a curve, not a point. SIZES lists the numbers of
messages, by default 10k,100k.

What writes stands beside one row and one commit, what reads beside one row read by its key, each in the same database.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.benchmarks.figures import Row, row
from tests.benchmarks.functions import answering_at_once, loaded
from tests.benchmarks.ingest import FLOOR_INSERT, FLOOR_TABLE
from tests.benchmarks.population import populate
from tests.benchmarks.sizes import named, sizes_of
from tests.benchmarks.sweep import MAKE_DUE
from tests.benchmarks.system import KINDS, LARGE, System, copies, logging_to, server
from tests.benchmarks.timing import Call, rounds_of, typical
from tests.benchmarks.webhooks import event_of
from tests.functions.lambda_context import Context
from ventana.schema.connection import Database
from ventana.schema.conversation_lists import list_conversations
from ventana.schema.conversations import find_conversation, statistics
from ventana.schema.types import Connection
from ventana.schema.windows import windows_of

PART = "growth"
PER_CONVERSATION = 10
CALLS = 30
DUE = 10
"""Windows that have closed before each tick."""
SAMPLE = 2_000
SECONDS = 90.0
TIMEOUT_MS = 60_000
KIND = next(kind for kind in KINDS if kind.name == "meta text")
SOME = "select id::text from kommo_conversations order by random() limit %s"
BY_KEY = "select id, provider, phone, last_user_message_at from kommo_conversations where id = %s"
PUBLISHED = "update events set published_at = now() where published_at is null"
CLOSED = "select count(*) from events where name = 'WindowClosed'"
FIGURES = {
    "ingest": "write",
    "sweep tick": "write",
    "conversation list": "read",
    "window check": "read",
    "statistics view": "read",
}
"""What is measured, and which floor stands beside it."""


@dataclass
class Place:
    """One size: its database, the functions over it, and what was found."""

    system: System
    connection: Connection
    tick: Call
    ids: list[str]
    closed: int = 0
    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def database(self) -> Database:
        """A connection of the application."""
        return self.system.databases[KIND.provider]


def measure(rounds: int = 7, sizes: Sequence[int] | None = None) -> list[Row]:
    """Interleave the sizes, and in each the figures and their floors."""
    sizes = sorted(sizes) if sizes else sizes_of("SIZES", "10k,100k")
    shuffled = random.Random(1)
    with server(LARGE) as postgres, answering_at_once(), ExitStack() as stack:
        stack.enter_context(logging_to(postgres.places.state / "functions.log"))
        dsns = copies(postgres, [f"messages_{size}" for size in sizes])
        places = [
            _place(stack, System(postgres.places.state, dsn, TIMEOUT_MS), size)
            for dsn, size in zip(dsns, sizes, strict=True)
        ]
        for counts in rounds_of(rounds, SECONDS):
            for place in shuffled.sample(places, len(places)):
                figures = list(_figures(place))
                for name, calls in shuffled.sample(figures, len(figures)):
                    if name == "sweep tick":
                        _close_some(place)
                    milliseconds = typical(calls)
                    if counts:
                        place.found[name].append(milliseconds)
        for place in places:
            _check(place)
    return [
        row(PART, f"{name} at {named(size)}", "ms", place.found[name], place.found[floor])
        for name, floor in FIGURES.items()
        for size, place in zip(sizes, places, strict=True)
    ]


def _place(stack: ExitStack, system: System, messages: int) -> Place:
    stack.callback(system.close)
    connection = stack.enter_context(psycopg.connect(system.dsn, autocommit=True))
    connection.execute(FLOOR_TABLE)
    populate(connection, max(messages // PER_CONVERSATION, DUE), messages)
    connection.execute("checkpoint")
    sweep = stack.enter_context(loaded("window_sweep", system.dsn, TIMEOUT_MS))
    ids = [found for (found,) in connection.execute(SOME, [SAMPLE])]
    return Place(system, connection, partial(sweep.handler, {}, Context(600_000)), ids)


def _figures(place: Place) -> Iterator[tuple[str, list[Call]]]:
    """What is measured, and the floors, as calls that have not been made before."""
    some = [random.choice(place.ids) for _ in range(CALLS)]
    events = [event_of(KIND.request(each)) for each in KIND.identities(CALLS)]
    yield "ingest", [partial(_taken, place, event) for event in events]
    yield "conversation list", [partial(list_conversations, place.database)] * CALLS
    yield "statistics view", [partial(statistics, place.database)] * CALLS
    yield "window check", [partial(_window, place.database, each) for each in some]
    yield "sweep tick", [place.tick]
    yield "read", [partial(_read, place.connection, each) for each in some]
    values = [KIND.provider, KIND.business_address, "15550100", "Hola", Jsonb({"text": "x" * 200})]
    yield (
        "write",
        [partial(place.connection.execute, FLOOR_INSERT, [values[0], str(uuid4()), *values[1:]]) for _ in range(CALLS)],
    )


def _taken(place: Place, event: dict[str, Any]) -> None:
    answer = place.system.handlers[KIND.provider](event, None)
    if answer["statusCode"] != 200:
        raise SystemExit(f"a webhook was refused: {answer}")


def _window(database: Database, conversation_id: str) -> None:
    """The two statements of the API's window."""
    if find_conversation(database, conversation_id) is None or not windows_of(database, conversation_id):
        raise SystemExit("a conversation is gone")


def _read(connection: Connection, conversation_id: str) -> None:
    connection.execute(BY_KEY, [conversation_id]).fetchone()


def _close_some(place: Place) -> None:
    """Let windows close, and nothing be left of the webhooks before that the tick would publish."""
    place.connection.execute(PUBLISHED)
    ids = random.sample(place.ids, min(DUE, len(place.ids)))
    place.connection.execute(MAKE_DUE, [ids])
    place.closed += len(ids)


def _check(place: Place) -> None:
    """A tick that found nothing due would be fast."""
    found = place.connection.execute(CLOSED).fetchone()
    if found != (place.closed,):
        raise SystemExit(f"{found} windows announced as closed, not {place.closed}")
