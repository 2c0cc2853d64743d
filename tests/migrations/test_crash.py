"""kill -9 of a runner, at every step and at any time: the next `up` goes on, and ends where an undisturbed one does."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.migrate_rows import fill
from tests.migrations.test_history import BASELINE, SEED, pg_dump, up
from ventana.schema.migrate import FOLDER, Unfinished, load, run

ROOT = Path(__file__).parents[2]
LAST_OF_MANY_STEPS = [migration.version for migration in load(FOLDER) if len(migration.steps) > 1][-1]
CONVERSATIONS = 200
DONE = "select count(*) from ventana_meta.schema_steps"
PENDING = "select count(*) from ventana_meta.schema_migrations where state = 'running'"
BUILDING = "select phase from pg_stat_progress_create_index where datname = current_database()"
INVALID = "select indexrelid::regclass::text from pg_index where not indisvalid"


@contextmanager
def runner(dsn: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`up` as `make migrate` runs it, in a process that is gone after the block, by kill -9 if it has not ended."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "layers" / "ventana"), "DATABASE_URL": dsn}
    with subprocess.Popen(
        [sys.executable, "-m", "ventana.schema.migrate", "up", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.002)


def more_is_done(connection: psycopg.Connection, process: subprocess.Popen[str]) -> bool:
    """Wait until the runner has done a step, or ended."""
    before = one(connection, DONE)
    until(lambda: one(connection, DONE) != before or process.poll() is not None)
    return process.poll() is None


@pytest.fixture
def in_use(empty_database: str) -> str:
    """A Kommo-only database with rows in it."""
    up(empty_database, BASELINE)
    fill(empty_database, CONVERSATIONS)
    return empty_database


def is_as_undisturbed(dsn: str, undisturbed: str) -> None:
    run("verify", dsn, say=lambda line: None)
    assert pg_dump(dsn) == pg_dump(undisturbed)
    with psycopg.connect(dsn) as connection:
        assert one(connection, "select count(*) from kommo_messages where provider = 'kommo'") == CONVERSATIONS * 10
        assert one(connection, INVALID) is None
        assert one(connection, PENDING) == 0


@pytest.mark.slow
def test_a_runner_is_killed_after_every_step(in_use: str, database_url: str) -> None:
    """Each is killed as soon as it has done a step, wherever in the next one that is. Later versions have one step."""
    with psycopg.connect(in_use, autocommit=True) as connection:
        for _ in range(100):
            with runner(in_use, "--to", LAST_OF_MANY_STEPS) as process:
                if not more_is_done(connection, process):
                    break
    up(in_use)
    is_as_undisturbed(in_use, database_url)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_runner_is_killed_at_any_time(in_use: str, database_url: str, seed: int) -> None:
    any_time = random.Random(seed)
    for _ in range(6):
        with runner(in_use):
            time.sleep(any_time.uniform(0.2, 2.5))
    up(in_use)
    is_as_undisturbed(in_use, database_url)


def test_a_build_goes_on_without_its_runner_and_is_seen_by_the_next(in_use: str, database_url: str) -> None:
    """An old transaction keeps it from ending, as the size of a large table would."""
    with psycopg.connect(in_use) as old, psycopg.connect(in_use, autocommit=True) as connection:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1")
        with runner(in_use) as process:
            until(lambda: one(connection, BUILDING) == "waiting for old snapshots")
        assert process.wait() == -9
        index = one(connection, INVALID)
        assert index == "idx_twilio_conversation_phone"
        made = one(connection, f"select '{index}'::regclass::oid")
        with ThreadPoolExecutor() as pool:
            next_run = pool.submit(up, in_use)
            with pytest.raises(TimeoutError):
                next_run.result(3)
            assert one(connection, BUILDING) == "waiting for old snapshots"
            old.rollback()
            assert not [line for line in next_run.result() if " drops " in line]
        assert one(connection, f"select '{index}'::regclass::oid") == made
    is_as_undisturbed(in_use, database_url)


def test_a_run_that_has_no_time_left_leaves_its_build_to_the_next(in_use: str, database_url: str) -> None:
    """As a function does that is about to be stopped."""
    with psycopg.connect(in_use) as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1")
        with pytest.raises(Unfinished, match=f"idx_twilio_conversation_phone.*; pending: {SEED}, "):
            run("up", in_use, say=lambda line: None, seconds=5)
    up(in_use)
    is_as_undisturbed(in_use, database_url)
