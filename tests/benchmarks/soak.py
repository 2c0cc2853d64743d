"""Warm handlers for half an hour at half of what they can do: does anything grow that should not?

    python -m tests.benchmarks.soak [--minutes 30] [--handlers 2]

Real handlers in processes of their own over a durable Postgres with its autovacuum as it comes; texts of each provider
and statuses. Events are published to nowhere and the sweep's statements run, so that what is deleted is deleted. Prints
a line each minute and then a verdict for each thing that is looked at, writes .local/soak.json, and ends with 1 where
one is bad. Leaves no process and no directory.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from statistics import median, quantiles

import psycopg
from psycopg.sql import SQL, Identifier

from tests.benchmarks.population import MESSAGES, populate
from tests.benchmarks.soak_load import Sample, work
from tests.benchmarks.soak_report import MINUTE, Minute, Observed, Table, verdicts
from tests.benchmarks.system import server
from tests.benchmarks.workers import started
from ventana.schema.connection import Database
from ventana.schema.events import claim_events, finish_events
from ventana.schema.types import Connection
from ventana.schema.windows import forget, sweep_sends, sweep_windows
from ventana.settings import Settings

ROOT = Path(__file__).parents[2]
RESULT = ROOT / ".local" / "soak.json"
CALIBRATION_SECONDS = 10.0
SILENCE_SECONDS = 60.0
TABLES = """
select relname, n_dead_tup, autovacuum_count, pg_relation_size(relid), pg_indexes_size(relid)
  from pg_stat_user_tables where schemaname = 'public' order by relname
"""
CLEANING = "select sum(n_dead_tup), sum(autovacuum_count) from pg_stat_user_tables where schemaname = 'public'"
CONNECTIONS = (
    "select count(*) from pg_stat_activity where application_name = 'ventana' and datname = current_database()"
)


def soak(minutes: float, handlers: int) -> Observed:
    """Find out what they can do, then let them do half of that for as long."""
    seen = Observed(resident=[[] for _ in range(handlers)])
    with server() as postgres, ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(postgres.dsn(), autocommit=True))
        populate(connection)
        database = Database(Settings(database_url=postgres.dsn(), database_timeout_ms=20_000))
        stack.callback(database.close)
        workers = [
            stack.enter_context(started(work, n, postgres.places.state, postgres.dsn())) for n in range(handlers)
        ]
        seen.asked_per_second = _calibrated(workers, seen) / 2
        _say(f"{handlers} handlers at {seen.asked_per_second:.0f} webhooks a second, half of what they can do")
        seen.at_start = _tables(connection)
        for worker in workers:
            worker.send((minutes * MINUTE, handlers / seen.asked_per_second))
        _watch(workers, minutes, seen, connection, database)
        stored = connection.execute(
            "select count(*) filter (where role = 'user') - %s + count(*) filter (where delivery_status = 'delivered'"
            " or delivery_status = 'sent') from kommo_messages",
            [MESSAGES],
        ).fetchone()
        seen.stored = int(stored[0]) if stored else 0
        seen.at_end = _tables(connection)
    return seen


def main(arguments: list[str] | None = None) -> int:
    """Soak, print, write; 1 where something is bad."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--handlers", type=int, default=2)
    asked = parser.parse_args(arguments)
    if asked.minutes < 1 or asked.handlers < 1:
        parser.error("at least one minute and one handler")
    # So that every `finally` runs: no process and no directory stays behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    seen = soak(asked.minutes, asked.handlers)
    found = verdicts(seen)
    for verdict in found:
        _say(f"{'good' if verdict.good else 'BAD '}  {verdict.what}: {verdict.said}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({**asdict(seen), "verdicts": [asdict(each) for each in found]}, indent=1) + "\n")
    return 0 if all(verdict.good for verdict in found) else 1


def _calibrated(workers: Sequence[Pipe], seen: Observed) -> float:
    """Webhooks a second, all handlers as fast as they can."""
    for worker in workers:
        worker.send((CALIBRATION_SECONDS, 0.0))
    calls, running = 0, list(workers)
    while running:
        for worker, sample in _heard(running):
            if sample is None:
                running.remove(worker)
            else:
                calls += sample.calls
                seen.refused += sample.refused
    seen.acknowledged += calls
    return calls / CALIBRATION_SECONDS


def _watch(workers: Sequence[Pipe], minutes: float, seen: Observed, connection: Connection, database: Database) -> None:
    """Take the samples in, look at the server, and do what the outbox and the sweep do, until all have ended."""
    running, told, started = list(workers), list[Sample](), time.monotonic()
    give_up = started + minutes * MINUTE + SILENCE_SECONDS
    while running:
        if time.monotonic() > give_up:
            raise SystemExit("the handlers did not end in time")
        for worker, sample in _heard(running, 1.0):
            if sample is None:
                running.remove(worker)
            else:
                told.append(sample)
                seen.resident[workers.index(worker)].append(sample.resident_bytes)
        _publish(database)
        minute = len(seen.minutes) + 1
        if time.monotonic() > started + minute * MINUTE or not running:
            if sum(sample.calls for sample in told):
                _conclude(seen, minute, told, time.monotonic() - started - (minute - 1) * MINUTE, connection)
                told = []
            if minute == max(1, round(minutes / 3)):
                seen.at_third = _tables(connection)
            sweep_windows(database, timedelta(hours=1), 500)
            sweep_sends(database, 100)
            forget(database, 500)
        seen.connections.append(int((connection.execute(CONNECTIONS).fetchone() or (0,))[0]))


def _conclude(seen: Observed, minute: int, told: Sequence[Sample], seconds: float, connection: Connection) -> None:
    calls, milliseconds = sum(sample.calls for sample in told), [each for s in told for each in s.milliseconds]
    seen.acknowledged += calls
    seen.refused += sum(sample.refused for sample in told)
    if seconds < MINUTE / 2 and seen.minutes:  # what came in as all ended
        return
    dead, autovacuums = connection.execute(CLEANING).fetchone() or (0, 0)
    line = Minute(
        minute,
        round(calls / seconds, 1),
        round(median(milliseconds), 2),
        round(quantiles(milliseconds, n=100)[98], 2),
        round(max(sample.late_seconds for sample in told), 2),
        sum(sample.refused for sample in told),
        round(max(sizes[-1] for sizes in seen.resident if sizes) / 1e6, 1),
        seen.connections[-1] if seen.connections else 0,
        int(dead),
        int(autovacuums),
    )
    if not seen.minutes:
        _say("  ".join(name.rjust(12) for name in Minute.__slots__))
    seen.minutes.append(line)
    _say("  ".join(str(getattr(line, name)).rjust(12) for name in Minute.__slots__))


def _publish(database: Database) -> None:
    """As the outbox does, to nowhere."""
    while events := claim_events(database, 500, timedelta(minutes=1)):
        finish_events(database, [event.id for event in events])
        if len(events) < 500:
            return


def _tables(connection: Connection) -> dict[str, Table]:
    return {name: Table(_rows(connection, name), *numbers) for name, *numbers in connection.execute(TABLES).fetchall()}


def _rows(connection: Connection, table: str) -> int:
    counted = connection.execute(SQL("select count(*) from {}").format(Identifier(table))).fetchone()
    return int(counted[0]) if counted else 0


def _heard(workers: Sequence[Pipe], seconds: float = SILENCE_SECONDS) -> list[tuple[Pipe, Sample | None]]:
    heard: list[tuple[Pipe, Sample | None]] = []
    for worker in wait(list(workers), seconds):
        assert isinstance(worker, Pipe)
        try:
            said = worker.recv()
        except EOFError:
            raise SystemExit("a handler's process ended by itself") from None
        heard.append((worker, said))
    if not heard and seconds >= SILENCE_SECONDS:
        raise SystemExit("no handler says anything")
    return heard


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
