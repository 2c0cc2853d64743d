"""A database that is away, silent, locked or no longer the primary is noticed in time; nothing is stored by half."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from tests.schema.conftest import rows
from tests.schema.recording import HELLO, outcomes
from ventana.errors import StorageUnavailable
from ventana.schema.connection import Database
from ventana.schema.deadline import Watchdog
from ventana.schema.inbound import record_inbound
from ventana.settings import Settings


def test_the_connection_is_replaced_when_it_died_in_between(database: Database, database_url: str) -> None:
    """As after a container was frozen, or the database failed over."""
    outcomes(database, [HELLO])
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert outcomes(database, [replace(HELLO, provider_message_id="SM7")]) == ["recorded"]
    assert rows(database, "select count(*) from kommo_messages") == [(2,)]


def test_a_primary_that_became_a_replica_is_left(database: Database) -> None:
    """Its sessions may outlive a failover, and would refuse every message for as long as the container lives."""
    database.call(lambda connection: connection.execute("set default_transaction_read_only = on"))
    with pytest.raises(StorageUnavailable, match="25006"):
        record_inbound(database, [HELLO])
    assert outcomes(database, [HELLO]) == ["recorded"]


def test_an_unreachable_database_stores_nothing_and_says_so() -> None:
    with pytest.raises(StorageUnavailable, match="the database refused"):
        record_inbound(Database(Settings(database_url="postgresql://127.0.0.1:1/nothing")), [HELLO])


def test_a_locked_table_ends_in_time(database_url: str) -> None:
    impatient = Database(Settings(database_url=database_url, database_timeout_ms=200))
    with psycopg.connect(database_url) as other:
        other.execute("lock table kommo_messages")
        with pytest.raises(StorageUnavailable):
            record_inbound(impatient, [HELLO])
    assert outcomes(impatient, [HELLO]) == ["recorded"]
    impatient.close()


def watchdogs() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "ventana-watchdog"}


def test_a_database_that_is_closed_leaves_no_thread_behind(database_url: str) -> None:
    before = watchdogs()
    own = Database(Settings(database_url=database_url))
    for _ in range(2):
        assert own.value("select 1") == 1
        (thread,) = watchdogs() - before
        own.close()
        thread.join(10)
        assert not thread.is_alive()


def test_a_watchdog_that_rested_watches_again(database_url: str) -> None:
    watchdog, before = Watchdog(rest_seconds=0.0), watchdogs()
    with psycopg.connect(database_url, autocommit=True) as connection:
        with watchdog.watching(connection, time.monotonic() + 60):
            (thread,) = watchdogs() - before
        thread.join(10)
        assert not thread.is_alive()
        with pytest.raises(psycopg.OperationalError), watchdog.watching(connection, time.monotonic() + 0.1):
            connection.execute("select pg_sleep(60)")


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never says a word, as a stopped one does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql://u:p@127.0.0.1:{listening.getsockname()[1]}/d"


def test_a_server_that_is_silent_ends_in_time(silent_server: str) -> None:
    with pytest.raises(StorageUnavailable, match="ConnectionTimeout"):
        record_inbound(Database(Settings(database_url=silent_server, database_timeout_ms=300)), [HELLO])


def test_a_statement_on_a_silent_connection_ends_in_time(database_url: str) -> None:
    """The server's time-outs are off here, as they are on a server that was stopped."""
    impatient = Database(Settings(database_url=database_url, database_timeout_ms=300))
    with pytest.raises(StorageUnavailable):
        impatient.call(
            lambda connection: (
                connection.execute("set statement_timeout = 0"),
                connection.execute("select pg_sleep(60)"),
            )
        )
    assert impatient.value("select 1") == 1
    impatient.close()
