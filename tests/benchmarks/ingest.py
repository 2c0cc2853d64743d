"""Warm webhooks, from event to commit to answer, beside the least that could be done: one row and one commit."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles

import psycopg
from psycopg.types.json import Jsonb

from tests.benchmarks.figures import Row, row
from tests.benchmarks.population import MESSAGES, populate
from tests.benchmarks.system import KINDS, System, as_sent, running
from tests.benchmarks.timing import Call, rounds_of
from tests.benchmarks.webhooks import Kind, event_of
from ventana.providers import provider_named
from ventana.schema.inbound import record_inbound
from ventana.schema.types import Connection
from ventana.webhook import raw_request

PART = "ingest"
CALLS = 100
SECONDS = 90.0
LIMIT = 2.5
"""Times the floor, for one message or status (design §7)."""
FLOOR = "insert + commit"
FLOOR_TABLE = """
create table floor (
    id uuid primary key default gen_random_uuid(), provider text not null, provider_message_id text not null,
    address text not null, customer text not null, content text not null, payload jsonb not null,
    created_at timestamptz not null default now()
)"""
FLOOR_INSERT = """
insert into floor (provider, provider_message_id, address, customer, content, payload) values (%s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Subject:
    """Something to measure: `prepare` makes calls that have not been made before."""

    name: str
    prepare: Callable[[int], list[Call]]
    limit: float | None = LIMIT


@dataclass(frozen=True, slots=True)
class Sample:
    """What a call took in one round, in milliseconds."""

    p50: float
    p99: float
    cpu: float


def measure(rounds: int = 11) -> list[Row]:
    """Interleave all subjects, in another order each round."""
    with running() as system, psycopg.connect(system.dsn, autocommit=True) as connection:
        connection.execute(FLOOR_TABLE)
        populate(connection)
        subjects = list(_subjects(system, connection))
        samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
        shuffled = random.Random(1)  # the same orders in each run
        done = 0
        for counts in rounds_of(rounds, SECONDS):
            done += 1
            shuffled.shuffle(subjects)
            for subject in subjects:
                sample = _sample(subject.prepare(CALLS))
                if counts:
                    samples[subject.name].append(sample)
        _check(connection, done)
    limits = {subject.name: subject.limit for subject in subjects}
    floors = samples.pop(FLOOR)
    return [
        row(
            PART,
            f"{name} {figure}",
            "ms",
            [getattr(sample, figure) for sample in found],
            [getattr(floor, figure) for floor in floors],
            limits[name] if figure == "p50" else None,
        )
        for name, found in samples.items()
        for figure in ("p50", "p99", "cpu")
    ]


def _subjects(system: System, connection: Connection) -> Iterator[Subject]:
    for kind in KINDS:
        yield Subject(kind.name, partial(_webhooks, system, connection, kind), LIMIT if kind.size == 1 else None)
    text = next(kind for kind in KINDS if kind.provider == "meta")
    yield Subject(f"record_inbound of {text.name}", partial(_recordings, system, text), None)
    yield Subject(FLOOR, partial(_insertions, connection, text), None)


def _webhooks(system: System, connection: Connection, kind: Kind, calls: int) -> list[Call]:
    handler, identities = system.handlers[kind.provider], kind.identities(calls)
    if kind.is_status:
        as_sent(connection, kind, [identity for each in identities for identity in each])
    return [partial(handler, event_of(kind.request(each)), None) for each in identities]


def _recordings(system: System, kind: Kind, calls: int) -> list[Call]:
    parse, database = provider_named(kind.provider).parse, system.databases[kind.provider]
    events = [event_of(kind.request(each)) for each in kind.identities(calls)]
    return [partial(record_inbound, database, parse(raw_request(event))) for event in events]


def _insertions(connection: Connection, kind: Kind, calls: int) -> list[Call]:
    return [
        partial(
            connection.execute,
            FLOOR_INSERT,
            [kind.provider, one.provider_message_id, kind.business_address, one.customer, "Hola", Jsonb(payload)],
        )
        for (one,) in kind.identities(calls)
        for payload in [json.loads(kind.request([one]).body)]
    ]


def _sample(calls: list[Call]) -> Sample:
    taken, answers = [], []
    cpu = time.process_time()
    for call in calls:
        started = time.perf_counter()
        answer = call()
        taken.append((time.perf_counter() - started) * 1000)
        answers.append(answer)
    cpu = (time.process_time() - cpu) * 1000 / len(calls)
    refused = [answer for answer in answers if isinstance(answer, dict) and answer["statusCode"] != 200]
    if refused:
        raise SystemExit(f"a webhook was refused: {refused[0]}")
    return Sample(median(taken), quantiles(taken, n=100)[98], cpu)


def _check(connection: Connection, rounds: int) -> None:
    """Figures of webhooks that did not do what they should would mean nothing."""
    texts = sum(kind.size for kind in KINDS if not kind.is_status) + 1
    statuses = sum(kind.is_status for kind in KINDS)
    found = connection.execute(
        "select count(*) filter (where role = 'user') - %s,"
        " count(*) filter (where delivery_status in ('sent', 'delivered')) from kommo_messages",
        [MESSAGES],
    ).fetchone()
    if found != (texts * CALLS * rounds, statuses * CALLS * rounds):
        raise SystemExit(f"{found} messages and statuses stored, not {(texts, statuses)} times {CALLS * rounds}")
