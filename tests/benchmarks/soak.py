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
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from tests.benchmarks.population import MESSAGES, populate
from tests.benchmarks.system import KINDS, System, as_sent, logging_to, server
from tests.benchmarks.webhooks import Identity, Kind, event_of
from tests.benchmarks.workers import started
from ventana.schema.connection import Database
from ventana.schema.events import claim_events, finish_events
from ventana.schema.types import Connection
from ventana.schema.windows import forget, sweep_sends, sweep_windows
from ventana.settings import Settings

ROOT = Path(__file__).parents[2]
RESULT = ROOT / ".local" / "soak.json"
MIX = ("twilio text", "meta text", "kommo text", "meta status")
"""Kinds of webhooks, in turn."""
CALIBRATION_SECONDS = 10.0
SAMPLE_SECONDS = 5.0
SILENCE_SECONDS = 60.0
AT_ONCE = 100
"""How many webhooks a handler's process makes and signs at once: between calls, not in them."""
MINUTE = 60.0
MEMORY_BYTES = 3_000_000
"""A handler may be so much larger at the end than after its first third; one leaked kilobyte a call is far more."""
DEAD_SHARE = 0.75
"""Dead rows among all of a table. Autovacuum looks once a minute: until then all customers may have written again."""
JUDGED_MINUTES = 5
"""A shorter run tells nothing of tables: autovacuum has hardly come."""
BLOAT = 1.5
"""Bytes of a row, of its table and indexes, against those after the first third: what is written between two vacuums
takes room of its own, most of it in indexes by time, and is there from the second vacuum on. That room is of a load and
not of a table: ten thousand customers who write five hundred messages a second make it look large."""
SMALL_ROWS = 1_000
TABLES = """
select relname, n_dead_tup, autovacuum_count, pg_relation_size(relid), pg_indexes_size(relid)
  from pg_stat_user_tables where schemaname = 'public' order by relname
"""
CLEANING = "select sum(n_dead_tup), sum(autovacuum_count) from pg_stat_user_tables where schemaname = 'public'"
CONNECTIONS = (
    "select count(*) from pg_stat_activity where application_name = 'ventana' and datname = current_database()"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one handler's process did in some seconds."""

    calls: int
    refused: int
    milliseconds: list[float]
    late_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its rows as they are counted (statistics have counted loaded ones twice), the rest by statistics."""

    live: int
    dead: int
    autovacuums: int
    table_bytes: int
    index_bytes: int

    @property
    def dead_share(self) -> float:
        """Dead rows among all."""
        return self.dead / max(1, self.live + self.dead)

    @property
    def bytes_a_row(self) -> float:
        """Of the table and its indexes, for each live row."""
        return (self.table_bytes + self.index_bytes) / max(1, self.live)


@dataclass(slots=True)
class Minute:
    """One line of the table."""

    minute: int
    per_second: float
    p50: float
    p99: float
    late_seconds: float
    refused: int
    resident_mb: float
    connections: int
    dead_rows: int
    autovacuums: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something that was looked at."""

    what: str
    good: bool
    said: str


@dataclass(slots=True)
class Observed:
    """Everything that was seen."""

    asked_per_second: float = 0.0
    resident: list[list[int]] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    minutes: list[Minute] = field(default_factory=list)
    at_start: dict[str, Table] = field(default_factory=dict)
    at_third: dict[str, Table] = field(default_factory=dict)
    at_end: dict[str, Table] = field(default_factory=dict)
    acknowledged: int = 0
    stored: int = 0
    refused: int = 0


def soak(minutes: float, handlers: int) -> Observed:
    """Find out what they can do, then let them do half of that for as long."""
    seen = Observed(resident=[[] for _ in range(handlers)])
    with server() as postgres, ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(postgres.dsn(), autocommit=True))
        populate(connection)
        database = Database(Settings(database_url=postgres.dsn(), database_timeout_ms=20_000))
        stack.callback(database.close)
        workers = [
            stack.enter_context(started(_work, n, postgres.places.state, postgres.dsn())) for n in range(handlers)
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


def verdicts(seen: Observed) -> list[Verdict]:
    """What is to be said of it."""
    found = [
        Verdict(
            "nothing was lost",
            seen.stored == seen.acknowledged and not seen.refused,
            f"{seen.acknowledged} acknowledged, {seen.stored} stored, {seen.refused} refused",
        )
    ]
    rate = median(minute.per_second for minute in seen.minutes)
    found.append(
        Verdict("the load was kept up", rate >= 0.95 * seen.asked_per_second, f"{rate:.0f} a second, median minute")
    )
    for number, sizes in enumerate(seen.resident):
        warm = sizes[len(sizes) // 3 :]
        quarter = max(1, len(warm) // 4)
        grown = median(warm[-quarter:]) - median(warm[:quarter])
        a_minute = _slope(warm) * MINUTE / SAMPLE_SECONDS
        said = (
            f"{warm[-1] / 1e6:.1f} MB, {grown / 1e6:+.2f} MB since its first third, {a_minute / 1e3:+.1f} kB a minute"
        )
        found.append(Verdict(f"memory of handler {number} is flat", grown <= MEMORY_BYTES, said))
    settled = seen.connections[len(seen.connections) // 3 :]
    said = f"{min(settled)} to {max(settled)} open"
    found.append(Verdict("connections do not leak", max(settled) <= settled[0], said))
    early = len(seen.minutes) < JUDGED_MINUTES
    for name, table in seen.at_end.items():
        if table.live + table.dead >= SMALL_ROWS:
            said = f"{table.live} live, {table.dead} dead, {table.autovacuums} autovacuums"
            said += ", too early to judge" if early else ""
            found.append(Verdict(f"{name} is cleaned up", early or table.dead_share <= DEAD_SHARE, said))
            now, then, first = (tables[name].bytes_a_row for tables in (seen.at_end, seen.at_third, seen.at_start))
            said = f"{now:.0f} bytes a row with indexes, {then:.0f} after its first third, {first:.0f} at the start"
            found.append(Verdict(f"{name} does not bloat", early or now <= BLOAT * then, said))
    return found


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
            if len(seen.minutes) <= max(1, minutes / 3):
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
    connection.execute("select pg_stat_clear_snapshot()")
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
    connection.execute("select pg_stat_clear_snapshot()")
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


def _work(pipe: Pipe, number: int, directory: Path, dsn: str) -> None:
    """Told for how many seconds and how often, a process sends a sample every few seconds, and None at the end."""
    system = System(directory, dsn)
    kinds = [next(kind for kind in KINDS if kind.name == name) for name in MIX]
    with logging_to(Path(os.devnull)), psycopg.connect(dsn, autocommit=True) as owner:
        try:
            while True:
                seconds, gap = pipe.recv()
                for sample in _load(system, owner, kinds, number, seconds, gap):
                    pipe.send(sample)
                pipe.send(None)
        except (EOFError, BrokenPipeError):
            return
        finally:
            system.close()


def _load(
    system: System, owner: Connection, kinds: Sequence[Kind], number: int, seconds: float, gap: float
) -> Iterator[Sample]:
    started = due = sampled = time.monotonic()
    spent = 0.0  # on making webhooks, where they are called without a pause
    taken: list[float] = []
    refused, late = 0, 0.0
    while True:
        before = time.monotonic()
        calls = list(_webhooks(system, owner, kinds, number))
        spent += time.monotonic() - before
        for handler, event in calls:
            now = time.monotonic()
            if now - started - (0.0 if gap else spent) >= seconds:
                yield Sample(len(taken), refused, taken, late, _resident())
                return
            if gap:
                due += gap
                time.sleep(max(0.0, due - now))
                late = max(0.0, time.monotonic() - due)
            begun = time.perf_counter()
            answer = handler(event, None)
            taken.append((time.perf_counter() - begun) * 1000)
            refused += answer["statusCode"] != 200
            if time.monotonic() > sampled + SAMPLE_SECONDS:
                sampled = time.monotonic()
                yield Sample(len(taken), refused, taken, late, _resident())
                taken, refused = [], 0


def _webhooks(
    system: System, owner: Connection, kinds: Sequence[Kind], number: int
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Some of each kind, in turn, by customers that are this process's own."""
    made = []
    for kind in kinds:
        identities = [[_own(one, number) for one in each] for each in kind.identities(AT_ONCE // len(kinds))]
        if kind.is_status:
            as_sent(owner, kind, [one for each in identities for one in each])
        made.append([(system.handlers[kind.provider], event_of(kind.request(each))) for each in identities])
    for turn in zip(*made, strict=True):
        yield from turn


def _own(identity: Identity, number: int) -> Identity:
    return replace(identity, customer=f"{number:03d}{identity.customer[3:]}")


def _resident() -> int:
    """Bytes of memory of this process, as the kernel has them."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _slope(sizes: Sequence[int]) -> float:
    """Bytes a sample, by least squares."""
    if len(sizes) < 2:
        return 0.0
    middle, mean = (len(sizes) - 1) / 2, sum(sizes) / len(sizes)
    above = sum((place - middle) * (size - mean) for place, size in enumerate(sizes))
    return above / sum((place - middle) ** 2 for place in range(len(sizes)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
