"""From a request of an operator to the provider's receipt: accepted by the API, claimed by the sender, handed to a
provider that answers at once, finished, and told to a bus that does too. What is left is our own time.

Beside it as many single rows written and committed as there are waits for Postgres, counted on the wire.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar
from uuid import uuid4

import psycopg

from tests.benchmarks.desk import ADDRESSES, Desk, asked
from tests.benchmarks.figures import Row, row
from tests.benchmarks.functions import answering_at_once, loaded
from tests.benchmarks.ingest import FLOOR_INSERT, FLOOR_TABLE
from tests.benchmarks.population import populate
from tests.benchmarks.round_trips import WAIT
from tests.benchmarks.system import logging_to, server
from tests.benchmarks.timing import rounds_of, took, typical
from ventana.providers import PROVIDERS
from ventana.schema.connection import Database
from ventana.schema.types import Connection

PART = "send"
MESSAGES = 25
SECONDS = 45.0
# Far from any pace, so that no send waits for its turn.
UNHURRIED = "insert into business_addresses (provider, address, messages_per_second) values (%s, %s, 1000000)"
SENT = "select count(*) from kommo_messages where delivery_status = 'sent' or provider_message_id like 'out.%'"
Result = TypeVar("Result")


def measure(rounds: int = 7, messages: int = MESSAGES) -> list[Row]:
    """Send so many messages at each provider each round."""
    figures: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with server() as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(FLOOR_TABLE)
        populate(connection)
        state, dsn = postgres.places.state, postgres.dsn()
        with (
            answering_at_once(),
            logging_to(state / "functions.log"),
            loaded("api", dsn) as api,
            loaded("sender", dsn) as sender,
        ):
            desk, waits = Desk(connection, api, sender), {}
            for provider in PROVIDERS:
                connection.execute(UNHURRIED, [provider, ADDRESSES[provider]])
                waits[provider] = _waits(desk, provider, state / "trace")
            shuffled = random.Random(1)
            for counts in rounds_of(rounds, SECONDS):
                for provider in shuffled.sample(list(PROVIDERS), len(PROVIDERS)):
                    for name, found in _round(desk, provider, messages, waits[provider]).items():
                        if counts:
                            figures[provider, name].append(found)
        _check(connection, desk.customers)
    rows = []
    for (provider, name), pairs in figures.items():
        rows.append(row(PART, f"{provider} {name}", "ms", [ours for ours, _ in pairs], [floor for _, floor in pairs]))
    for provider, counted in waits.items():
        rows.append(row(PART, f"{provider} waits for Postgres", "waits", [float(sum(counted.values()))]))
    return rows


def _round(desk: Desk, provider: str, messages: int, waits: dict[str, int]) -> dict[str, tuple[float, float]]:
    """The medians of one round, each beside as many rows as it waits for Postgres."""
    accepted, sent, both = [], [], []
    for event in [asked(desk.customer(provider)) for _ in range(messages)]:
        started = time.perf_counter()
        message_id = desk.accept(event)
        accepted.append((time.perf_counter() - started) * 1000)
        sent.append(took(partial(desk.send, message_id)))
        both.append(accepted[-1] + sent[-1])
    values = [provider, str(uuid4()), ADDRESSES[provider], "15550100", "Claro, en roble.", "{}"]
    floor = typical([partial(desk.connection.execute, FLOOR_INSERT, values)] * messages)
    return {
        "accepted": (median(accepted), floor * waits["accept"]),
        "claimed to finished": (median(sent), floor * waits["send"]),
        "accepted to finished": (median(both), floor * sum(waits.values())),
    }


def _waits(desk: Desk, provider: str, trace: Path) -> dict[str, int]:
    """Of the steadiest of some messages: the first opens connections, a later one has its statements prepared."""
    accepts, sends = [], []
    for _ in range(3):
        event = asked(desk.customer(provider))
        message_id, accept = _traced(trace, desk.api.database, partial(desk.accept, event))
        _, send = _traced(trace, desk.sender.database, partial(desk.send, message_id))
        accepts.append(accept)
        sends.append(send)
    return {"accept": min(accepts), "send": min(sends)}


def _traced(trace: Path, database: Database, work: Callable[[], Result]) -> tuple[Result, int]:
    def run(connection: Connection) -> Result:
        with trace.open("w") as file:
            connection.pgconn.trace(file.fileno())
            try:
                return work()
            finally:
                connection.pgconn.untrace()

    done = database.call(run)
    return done, len(WAIT.findall(trace.read_text()))


def _check(connection: Connection, messages: int) -> None:
    found = connection.execute(SENT).fetchone()
    if found != (messages,):
        raise SystemExit(f"{found} messages are with their provider, of {messages}")
