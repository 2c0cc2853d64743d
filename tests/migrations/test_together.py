"""Several runners at once, and what stands between a runner and its lock."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.migrations.pooler import pooler
from tests.migrations.test_crash import in_use, one, runner, until
from tests.migrations.test_history import BASELINE, VERSIONS, pg_dump, up
from ventana.schema.migrate import Locked, MigrationError, run
from ventana.schema.migrate.exclusive import exclusive

__all__ = ["in_use"]  # a fixture
LOCKS = """
select count(*) from pg_locks l join pg_database d on d.oid = l.database
 where d.datname = current_database() and l.locktype = 'advisory'
"""


def quietly(dsn: str, lock_seconds: float = 60.0) -> list[str]:
    return run("up", dsn, say=lambda line: None, lock_seconds=lock_seconds).done


def test_of_eight_runners_one_applies_and_seven_find_nothing_to_do(in_use: str, database_url: str) -> None:
    """With index builds, for whose end a runner that waits inside the server would wait for ever."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = [running.result() for running in [pool.submit(quietly, in_use, 600) for _ in range(8)]]
    assert sorted(outcomes) == [[]] * 7 + [VERSIONS[1:]]
    assert pg_dump(in_use) == pg_dump(database_url)


def test_runners_that_do_not_wait_say_that_another_holds_the_lock(in_use: str) -> None:
    with psycopg.connect(in_use) as old, psycopg.connect(in_use, autocommit=True) as connection:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1")
        with ThreadPoolExecutor(8) as pool:
            first = pool.submit(quietly, in_use)
            until(lambda: one(connection, LOCKS) == 1)
            for other in [pool.submit(quietly, in_use, 0.5) for _ in range(7)]:
                with pytest.raises(Locked, match="another run holds the lock"):
                    other.result()
            old.rollback()
            assert first.result() == VERSIONS[1:]


def test_a_runner_that_waits_says_so_now_and_then(empty_database: str) -> None:
    said: list[str] = []
    with psycopg.connect(empty_database, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(%s)", [0x56656E74616E61])
        with pytest.raises(Locked):
            run("up", empty_database, say=said.append, lock_seconds=2)
    assert said == ["waiting: another run holds the lock"]


def test_the_lock_of_a_runner_that_is_killed_is_free(in_use: str) -> None:
    with psycopg.connect(in_use, autocommit=True) as connection:
        with runner(in_use):
            until(lambda: one(connection, LOCKS) == 1)
        assert quietly(in_use, 30)[-1] == VERSIONS[-1]


def test_the_server_asks_after_a_runner_whose_machine_may_be_gone(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        with exclusive(connection, empty_database, 1, lambda line: None):
            assert one(connection, "show tcp_keepalives_idle") == "10"
            assert one(connection, "show client_connection_check_interval") == "5s"
            assert one(connection, LOCKS) == 1
        assert one(connection, LOCKS) == 0


@pytest.mark.parametrize(
    "pick", [lambda free: -1, lambda free: 0, random.Random(1).randrange], ids=["last", "first", "any"]
)
def test_a_transaction_pooler_is_refused_and_nothing_is_left_behind(in_use: str, pick: Callable[[int], int]) -> None:
    before = pg_dump(in_use)
    with pooler(in_use, by_transaction=True, pick=pick) as pooled:
        with pytest.raises(MigrationError, match="this is a transaction pooler"):
            quietly(pooled)
        with psycopg.connect(in_use, autocommit=True) as connection:
            assert one(connection, LOCKS) == 0
    assert pg_dump(in_use) == before
    assert run("plan", in_use, say=lambda line: None).pending == VERSIONS[1:]


def test_a_session_pooler_is_as_good_as_none(empty_database: str) -> None:
    up(empty_database, BASELINE)
    with pooler(empty_database, by_transaction=False) as pooled:
        assert quietly(pooled) == VERSIONS[1:]
    run("verify", empty_database, say=lambda line: None)
