"""A text of Meta's, from call to commit to answer: ours and what others build, in one run, on one durable Postgres.

Two kinds of calls, named in each row: `direct` is a call within this process; `over HTTP` is a POST on a connection
to a child on loopback that is kept open, the same server before each (peer_servers.py). What each peer does and does
not do stands in its own file (peer_programs). Every figure is beside one INSERT and commit of the same round.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from tests.benchmarks import peer_servers
from tests.benchmarks.figures import Row, row
from tests.benchmarks.ingest import FLOOR, FLOOR_INSERT, FLOOR_TABLE
from tests.benchmarks.peer_programs.tables import UPSERT
from tests.benchmarks.peer_servers import NOTHING, OURS, Program, make_tables, on_the_wire, serving
from tests.benchmarks.population import populate
from tests.benchmarks.system import KINDS, System, running
from tests.benchmarks.webhooks import Identity, event_of
from ventana.schema.types import Connection

PART = "peers"
CALLS = 100
TEXT = next(kind for kind in KINDS if kind.name == "meta text")
PEERS = [peer_servers.HAND_ROLLED, peer_servers.PYWA, peer_servers.PYWA_OWN_ROUTES]
CTE_SCHEMA = "peer_cte"
OUR_TABLE = ("kommo_messages",)
SETTLE_SECONDS = 10.0
NAMES = {
    OURS: "ventana, the same handler under uvicorn",
    peer_servers.PYWA_OWN_ROUTES: "pywa 4.5, its own routes (answers before it commits)",
}
"""Where a program's name does not say what is measured."""

Call = Callable[[], int]


@dataclass(frozen=True)
class Subject:
    """Something to measure: how to call it with a message that was not there before, and where that is stored then."""

    name: str
    call: Callable[[Identity], Call]
    table: tuple[str, ...] | None


def measure(rounds: int = 5) -> list[Row]:
    """Interleave all subjects, in another order each round."""
    with (
        running() as system,
        psycopg.connect(system.dsn, autocommit=True) as connection,
        psycopg.connect(system.dsn, autocommit=True, cursor_factory=psycopg.RawCursor) as cte,
    ):
        connection.execute(FLOOR_TABLE)
        populate(connection)
        make_tables(connection, CTE_SCHEMA)
        cte.execute(f"set search_path to {CTE_SCHEMA}")
        with serving([OURS, *PEERS, NOTHING], system.directory, system.dsn) as servers, ExitStack() as kept_open:
            subjects = _direct(system, connection, cte)
            for server in servers:
                subjects.append(_over_http(server.program, kept_open.enter_context(closing(server.connect()))))
            before = _stored(connection, subjects)
            samples = _samples(subjects, rounds)
            _check(connection, subjects, before, rounds + 1)
    floors = samples.pop(FLOOR)
    return [
        row(PART, f"{name} {figure}", "ms", [one[at] for one in found], [floor[at] for floor in floors])
        for name, found in samples.items()
        for at, figure in enumerate(("p50", "p99"))
    ]


def _direct(system: System, connection: Connection, cte: psycopg.Connection[Any]) -> list[Subject]:
    handler = system.handlers["meta"]
    return [
        Subject(FLOOR, lambda one: partial(_execute, connection, FLOOR_INSERT, _floor_values(one)), ("floor",)),
        Subject(
            "one CTE upsert by psycopg, direct",
            lambda one: partial(_execute, cte, UPSERT, _upsert_values(one)),
            (CTE_SCHEMA, "messages"),
        ),
        Subject(
            "ventana, warm handler, direct",
            lambda one: partial(_invoke, handler, event_of(TEXT.request([one]))),
            OUR_TABLE,
        ),
    ]


def _over_http(program: Program, connection: peer_servers.Connection) -> Subject:
    return Subject(
        f"{NAMES.get(program, program.name)}, over HTTP",
        lambda one: partial(connection.post, on_the_wire(TEXT.request([one]))),
        (program.schema, "messages") if program.schema else OUR_TABLE if program is OURS else None,
    )


def _samples(subjects: list[Subject], rounds: int) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {subject.name: [] for subject in subjects}
    shuffled, order = random.Random(1), list(subjects)  # the same orders in each run
    for number in range(-1, rounds):
        shuffled.shuffle(order)
        for subject in order:
            sample = _sample(subject, [subject.call(one) for (one,) in TEXT.identities(CALLS)])
            if number >= 0:  # the first one warms up
                found[subject.name].append(sample)
    return found


def _sample(subject: Subject, calls: list[Call]) -> tuple[float, float]:
    taken = []
    for call in calls:
        started = time.perf_counter()
        status = call()
        taken.append((time.perf_counter() - started) * 1000)
        if status != 200:
            raise SystemExit(f"{subject.name} refused a webhook: {status}")
    return median(taken), quantiles(taken, n=100)[98]


def _execute(connection: psycopg.Connection[Any], statement: str, values: list[Any]) -> int:
    connection.execute(statement, values)
    return 200


def _invoke(handler: Callable[[dict[str, Any], object], dict[str, Any]], event: dict[str, Any]) -> int:
    return int(handler(event, None)["statusCode"])


def _floor_values(one: Identity) -> list[Any]:
    payload = Jsonb(json.loads(TEXT.request([one]).body))
    return ["meta", one.provider_message_id, TEXT.business_address, one.customer, "Hola", payload]


def _upsert_values(one: Identity) -> list[Any]:
    """As the peers make them of the same request."""
    value = json.loads(TEXT.request([one]).body)["entry"][0]["changes"][0]["value"]
    (item,), name = value["messages"], value["contacts"][0]["profile"]["name"]
    address, text = value["metadata"]["phone_number_id"], item["text"]["body"]
    return [item["id"], address, item["from"], item["type"], text, one.at, json.dumps(item), name]


def _stored(connection: Connection, subjects: list[Subject]) -> dict[str, int]:
    found = {}
    for table in {subject.table for subject in subjects if subject.table}:
        counted = connection.execute(SQL("select count(*) from {}").format(Identifier(*table))).fetchone()
        assert counted
        found[".".join(table)] = counted[0]
    return found


def _check(connection: Connection, subjects: list[Subject], before: dict[str, int], rounds: int) -> None:
    """Figures of what did not store what it should would mean nothing. Who answers first is given time to."""
    calls = Counter(".".join(subject.table) for subject in subjects if subject.table)
    wanted = {table: number + calls[table] * CALLS * rounds for table, number in before.items()}
    give_up = time.monotonic() + SETTLE_SECONDS
    while (found := _stored(connection, subjects)) != wanted:
        if time.monotonic() > give_up:
            raise SystemExit(f"{found} stored, not {wanted}")
        time.sleep(0.1)
