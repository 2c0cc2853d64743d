"""A database in use does not feel its migration: nothing fails, nothing is lost, nobody waits behind a waiting step.

How long writers wait at five million messages is measured by `make bench-migrate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.migrate import measure
from tests.benchmarks.migrate import up as up_in_a_process
from tests.benchmarks.migrate_rows import fill
from tests.migrations.test_crash import in_use, one, until
from tests.migrations.test_history import BASELINE, SEED, up
from ventana.schema.migrate import FOLDER, MigrationError, Unfinished, load, run
from ventana.schema.migrate.steps import locked_tables

__all__ = ["in_use"]  # a fixture
CONVERSATIONS = 20_000
WAITING = """
select count(*) from pg_locks l join pg_database d on d.oid = l.database
 where d.datname = current_database() and not l.granted
"""


@pytest.mark.slow
def test_200000_messages_are_migrated_under_load(empty_database: str) -> None:
    up(empty_database, BASELINE)
    fill(empty_database, CONVERSATIONS)
    found = measure(empty_database, CONVERSATIONS, up_in_a_process(empty_database, lambda line: None))
    assert found.differences == []
    assert [row for row in found.rows if row.failed] == []
    assert sum(row.statements for row in found.rows) > 500
    run("verify", empty_database, say=lambda line: None)


@contextmanager
def holding(dsn: str, statement: str) -> Iterator[None]:
    """Somebody's open transaction."""
    with psycopg.connect(dsn) as other:
        other.execute(statement.encode())
        yield
        other.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "select from kommo_conversations limit 1",
        "update kommo_conversations set status = 'closed' where kommo_chat_id = 'chat-2'",
        "lock table kommo_conversations in share update exclusive mode",  # as an autovacuum does
    ],
)
def test_nobody_waits_long_behind_a_step_that_waits_for_its_lock(in_use: str, statement: str) -> None:
    with ThreadPoolExecutor() as pool, psycopg.connect(in_use, autocommit=True) as writer:
        with holding(in_use, statement):
            running = pool.submit(up, in_use, SEED)
            until(lambda: one(writer, WAITING) == 1)
            writer.execute("set statement_timeout = '2s'")
            for _ in range(10):
                writer.execute("update kommo_conversations set status = 'active' where kommo_chat_id = 'chat-1'")
            assert not running.done()
        assert f"applied {SEED}" in " ".join(running.result())


def test_a_table_that_stays_busy_is_told_of_with_who_is_busy_there(
    in_use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ventana.schema.migrate.steps.LOCK_TRIES", 10)
    said: list[str] = []
    with holding(in_use, "lock table kommo_messages in row exclusive mode"), pytest.raises(MigrationError) as caught:
        run("up", in_use, say=said.append)
    told = r"a table was busy for 10 tries; process \d+ \(.*, idle in transaction\) has been in a transaction for \d+ s"
    assert re.search(f"{SEED}: who carries a message: {told}; run it again", str(caught.value))
    assert [line for line in said if "a table is busy, try 10 of 10; process " in line]
    assert up(in_use)[-1]


def test_a_long_statement_is_told_of_and_taken_back_when_the_time_is_over(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ventana.schema.migrate.steps.SAY_SECONDS", 0.5)
    (tmp_path / "1_long.sql").write_text(
        "create table long (id integer); select pg_sleep(1.5) from pg_tables t where t.tablename = 'there';"
    )
    (tmp_path / "1_long.revert.sql").write_text("drop table long;\n")
    said: list[str] = []
    with psycopg.connect(empty_database) as connection:
        connection.execute("create table there ()")
    with pytest.raises(Unfinished, match="1_long: long: the time was over before it was done; pending: 1_long"):
        run("up", empty_database, folder=tmp_path, say=said.append, seconds=1)
    with psycopg.connect(empty_database) as connection:
        assert one(connection, "select to_regclass('long')") is None
    run("up", empty_database, folder=tmp_path, say=said.append)
    assert "1_long: long: 1 s so far" in said


def test_a_step_waits_first_beside_writers_for_every_table_that_it_locks(in_use: str) -> None:
    with psycopg.connect(in_use) as connection:
        first, second = load(FOLDER)[1].steps[:2]
        assert locked_tables(connection, first) == ["kommo_conversations"]
        assert locked_tables(connection, second) == ["kommo_messages"]
        both = next(migration for migration in load(FOLDER) if migration.version == "20261122_08_outbound_tables")
        assert locked_tables(connection, both.steps[0]) == ["kommo_conversations", "kommo_messages"]
