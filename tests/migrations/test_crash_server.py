"""kill -9 of Postgres under a runner: what was half done is found by `verify`, and the next `up` ends as any other."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.benchmarks.migrate_rows import fill
from tests.faults.breaking import Server
from tests.migrations.test_crash import BUILDING, CONVERSATIONS, INVALID, is_as_undisturbed, one, runner, until
from tests.migrations.test_history import BASELINE, SEED, VERSIONS, up
from ventana.schema.migrate import Drift, run

BROKEN = "broken, because its build died: index {}; `up` drops it and builds it anew"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the server's processes in /proc"),
]


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A durable Postgres of the test's own, with a Kommo-only database in it."""
    # Under the system's own directory for such things: `nobody` must be able to enter it when root runs the tests.
    made = Server(Path(tempfile.mkdtemp(prefix="ventana-crash-")))
    try:
        up(made.dsn, BASELINE)
        fill(made.dsn, CONVERSATIONS)
        yield made
    finally:
        made.remove()


def test_a_server_is_killed_while_it_builds_an_index(mortal: Server, database_url: str) -> None:
    old, connection = psycopg.connect(mortal.dsn), psycopg.connect(mortal.dsn, autocommit=True)
    with closing(old), closing(connection):
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1")
        with runner(mortal.dsn) as process:
            until(lambda: one(connection, BUILDING) == "waiting for old snapshots")
            with mortal.killed():
                assert process.wait(60) == 1
            assert "migrate up: " in (process.stdout.read() if process.stdout else "")
    with psycopg.connect(mortal.dsn) as connection:
        assert one(connection, INVALID) == "idx_twilio_conversation_phone"
    said: list[str] = []
    assert run("verify", mortal.dsn, say=said.append).pending == VERSIONS[1:]
    assert BROKEN.format("idx_twilio_conversation_phone") in said
    run("up", mortal.dsn, say=said.append)
    assert [line for line in said if " drops idx_twilio_conversation_phone, which is broken" in line]
    is_as_undisturbed(mortal.dsn, database_url)


def test_a_server_is_killed_at_any_time(mortal: Server, database_url: str) -> None:
    for seconds in (0.6, 0.9, 1.2, 1.5):
        with runner(mortal.dsn) as process:
            time.sleep(seconds)
            with mortal.killed():
                process.wait(60)
    up(mortal.dsn)
    is_as_undisturbed(mortal.dsn, database_url)


def test_a_broken_index_of_a_version_that_was_applied_is_named_and_repaired(empty_database: str) -> None:
    """As a build leaves it that was begun by hand, for an index that somebody had dropped."""
    up(empty_database, SEED)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "update pg_index set indisvalid = false where indexrelid = 'idx_messages_provider'::regclass"
        )
    said: list[str] = []
    with pytest.raises(Drift, match="idx_messages_provider"):
        run("verify", empty_database, say=said.append)
    assert BROKEN.format("idx_messages_provider") in said
    assert "repaired idx_messages_provider of 20250101_twilio_whatsapp_support" in up(empty_database, SEED)
    run("verify", empty_database, say=lambda line: None)
