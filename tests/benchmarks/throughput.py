"""Messages committed a second by several webhook handlers at once, each in a process of its own, over one durable
Postgres, beside pgbench running the bare upsert with as many clients."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import psycopg

from tests.benchmarks.figures import Row, row
from tests.benchmarks.pgbench import Pgbench
from tests.benchmarks.population import MESSAGES, populate
from tests.benchmarks.system import KINDS, System, logging_to, server
from tests.benchmarks.timing import Call, rounds_of
from tests.benchmarks.webhooks import Identity, event_of
from tests.benchmarks.workers import started

PART = "throughput"
PROCESSES = (1, 2, 4, 8)
MESSAGES_EACH = 250
TRANSACTIONS_EACH = 1000
"""pgbench is faster: it needs more to run as long."""
SECONDS = 60.0
ANSWER_SECONDS = 120.0
KIND = next(kind for kind in KINDS if kind.name == "meta text")


def measure(
    rounds: int = 5,
    processes: Sequence[int] = PROCESSES,
    each: int = MESSAGES_EACH,
    transactions: int = TRANSACTIONS_EACH,
) -> list[Row]:
    """Interleave the numbers of processes and of clients, in another order each round."""
    rates: dict[int, list[tuple[float, float]]] = {number: [] for number in processes}
    sent = 0
    with server() as postgres, psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        populate(connection)
        pgbench = Pgbench(postgres)
        with ExitStack() as stack:
            workers = [
                stack.enter_context(started(_work, place, postgres.places.state, postgres.dsn()))
                for place in range(max(processes))
            ]
            order, shuffled = list(processes), random.Random(1)
            for counts in rounds_of(rounds, SECONDS):
                shuffled.shuffle(order)
                for number in order:
                    found = _per_second(workers[:number], each), pgbench.per_second(number, transactions)
                    sent += number * each
                    if counts:
                        rates[number].append(found)
        stored = connection.execute("select count(*) - %s from kommo_messages", [MESSAGES]).fetchone()
    if stored != (sent,):
        raise SystemExit(f"{stored} messages stored, of {sent} that were acknowledged")
    return [
        row(
            PART,
            f"{number} handler{'s' if number > 1 else ''}",
            "messages/s",
            [ours for ours, _ in found],
            [theirs for _, theirs in found],
        )
        for number, found in rates.items()
    ]


def _per_second(workers: Sequence[Pipe], each: int) -> float:
    for worker in workers:
        worker.send(each)
    _await(workers)  # their messages are made and signed
    started = time.perf_counter()
    for worker in workers:
        worker.send(None)
    _await(workers)
    return len(workers) * each / (time.perf_counter() - started)


def _await(workers: Sequence[Pipe]) -> None:
    for worker in workers:
        try:
            said = worker.recv() if worker.poll(ANSWER_SECONDS) else "silence"
        except (EOFError, OSError):
            said = "it ended"
        if said != "done":
            raise SystemExit(f"a handler's process failed: {said}")


def _work(pipe: Pipe, place: int, directory: Path, dsn: str) -> None:
    """One warm handler: told a number, it prepares as many webhooks; told None, it takes them in."""
    system = System(directory, dsn)
    try:
        with logging_to(directory / f"handler-{place}.log"):
            while True:
                calls = _calls(system, place, pipe.recv())
                pipe.send("done")
                pipe.recv()
                refused = [answer for answer in (call() for call in calls) if answer["statusCode"] != 200]
                pipe.send(str(refused[0]) if refused else "done")
    except (EOFError, OSError):  # whoever asked has ended
        return
    finally:
        system.close()


def _calls(system: System, place: int, number: int) -> list[Call]:
    handler = system.handlers[KIND.provider]
    identities = [[_own(identity, place) for identity in each] for each in KIND.identities(number)]
    return [partial(handler, event_of(KIND.request(each)), None) for each in identities]


def _own(identity: Identity, place: int) -> Identity:
    """Customers of each process are its own, so that none waits for another's row."""
    return replace(identity, customer=f"{place:03d}{identity.customer[3:]}")
