"""Migrates a large database in use, step by step, and beside it the same rows in one transaction as anybody would.

    .venv/bin/python -m tests.benchmarks.migrate [--rows N]

Builds a Kommo-only database on a durable Postgres of its own, copies it, lets the former system work on both, and runs
`up` on the one and the first migration's plain statements on the other. Prints what writers felt of each step, and
writes .local/bench-migrate.json. Ends with 1 when a statement failed beside `up`, or a row is not what it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from infra.local.postgres import Postgres
from tests.benchmarks.migrate_load import Load
from tests.benchmarks.migrate_report import Row, Step, rows, steps, table
from tests.benchmarks.migrate_rows import PER_CONVERSATION, differences, fill, fingerprints

ROOT = Path(__file__).parents[2]
BASELINE = "20240101_kommo_baseline"
PLAINLY = ROOT / "tests" / "migrations" / "formerly" / "20250101_twilio_whatsapp_support.sql"
ALONE_SECONDS = 5.0
RUN_SECONDS = 1800.0
TRIES = 5
# As a server has them on which so many rows live.
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}


@dataclass(frozen=True)
class Measured:
    """One migration under load: what was felt of it, and which rows are not what they should be."""

    rows: list[Row]
    differences: list[str]

    @property
    def failed(self) -> int:
        """Statements of the load that failed."""
        return sum(row.failed for row in self.rows)


def measure(dsn: str, conversations: int, migrate: Callable[[float], list[Step]]) -> Measured:
    """Let the former system work alone for a while, and then beside `migrate`, which says what it did and when."""
    before = fingerprints(dsn)
    with Load(dsn, conversations) as load:
        began = time.time()
        time.sleep(ALONE_SECONDS)
        alone = Step("", "no migration", began, time.time())
        done = [alone, *migrate(alone.ended)]
    return Measured(rows(done, load.statements), differences(dsn, before, conversations, load.told))


def up(dsn: str, say: Callable[[str], None]) -> Callable[[float], list[Step]]:
    """Run the migrations as `make migrate` does, in a process of its own."""

    def migrate(began: float) -> list[Step]:
        command = [sys.executable, "-m", "ventana.schema.migrate", "up"]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "layers" / "ventana"), "DATABASE_URL": dsn}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                if line.startswith("  ") and " present  " in line:
                    continue
                say(line.rstrip())
        if process.returncode:
            raise SystemExit(f"`up` ended with {process.returncode}")
        return steps(dsn, began, time.time())

    return migrate


def plainly(dsn: str, say: Callable[[str], None]) -> Callable[[float], list[Step]]:
    """Run the statements of the first migration in one transaction, again when it loses a deadlock."""

    def migrate(began: float) -> list[Step]:
        done = [Step("", "", began, began)]
        with psycopg.connect(dsn) as connection:
            for attempt in range(1, TRIES + 1):
                try:
                    connection.execute(PLAINLY.read_bytes())
                    connection.commit()
                    done.append(Step("one transaction", f"try {attempt}", done[-1].ended, time.time()))
                    return done[1:]
                except psycopg.errors.DeadlockDetected:
                    connection.rollback()
                    say(f"try {attempt}: deadlock")
                    done.append(Step("one transaction", f"try {attempt}: deadlock", done[-1].ended, time.time()))
        return done[1:]

    return migrate


def main(arguments: list[str] | None = None) -> int:
    """Build, migrate both, print, write, and say by the exit code whether all was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.migrate")
    parser.add_argument("--rows", type=int, default=5_000_000, help="messages; a tenth as many conversations")
    conversations = max(10, parser.parse_args(arguments).rows // PER_CONVERSATION)
    # So that every `finally` runs: no process and no directory stays behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    server = Postgres(ROOT / ".local" / "bench-migrate")
    server.places.remove()  # what a run that was killed has left
    try:
        server.start()
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            for name, value in SETTINGS.items():
                connection.execute(f"alter system set {name} = '{value}'")
        server.stop()
        server.start()
        return _compare(server, conversations)
    finally:
        server.stop()
        server.places.remove()


def _compare(server: Postgres, conversations: int) -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:6.1f} s  {line}\n")

    from ventana.schema.migrate import run

    say(f"fills {conversations * PER_CONVERSATION} messages of {conversations} conversations")
    run("up", server.dsn(), to=BASELINE, say=lambda line: None)
    fill(server.dsn(), conversations)
    say("copies them")
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("create database plainly template ventana strategy file_copy")
        connection.execute("checkpoint")
    say("migrates step by step, under load")
    stepwise = measure(server.dsn(), conversations, up(server.dsn(), say))
    say("verifies")
    run("verify", server.dsn(), say=lambda line: None)
    say("migrates in one transaction, under load")
    plain = measure(server.dsn("plainly"), conversations, plainly(server.dsn("plainly"), say))
    sys.stdout.write(f"{table([*stepwise.rows, *plain.rows])}\n")
    written = ROOT / ".local" / "bench-migrate.json"
    figures = {"messages": conversations * PER_CONVERSATION, "stepwise": asdict(stepwise), "plainly": asdict(plain)}
    written.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    for difference in stepwise.differences:
        sys.stdout.write(f"WRONG: {difference}\n")
    sys.stdout.write(f"{stepwise.failed} statements failed, {len(stepwise.differences)} differences\n")
    return 1 if stepwise.failed or stepwise.differences else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "layers" / "ventana"))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
