"""The shortest way to the database takes what a cursor takes, and fails as a cursor fails."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from ventana.errors import RefusedByDatabase, StorageUnavailable
from ventana.schema.connection import Database
from ventana.settings import Settings

ECHO = "select %s::text, %s::text, octet_length(%s::text)"
PREPARED = "select count(*) from pg_prepared_statements where starts_with(name, 'direct')"
TERMINATE = """
select pg_terminate_backend(pid) from pg_stat_activity
 where datname = current_database() and pid <> pg_backend_pid() and application_name = 'ventana'
"""


@pytest.fixture
def own(database_url: str) -> Iterator[Database]:
    """A database whose connection nobody else has used."""
    found = Database(Settings(database_url=database_url, database_timeout_ms=1000))
    yield found
    found.close()


@pytest.mark.parametrize("value", ["", "null", "%s $1 \\ ' \"", "¿Tienen la mesa? 👋🏽\n\t", "x" * 3_000_000])
def test_values_come_back_as_they_went(own: Database, value: str) -> None:
    for _ in range(3):  # unprepared, prepared just now, prepared before
        assert own.texts(ECHO, (value, None, value)) == [(value, None, str(len(value.encode())))]


def test_a_value_is_refused_and_not_cut_off_at_a_nul(own: Database) -> None:
    with pytest.raises(RefusedByDatabase, match="22021"):
        own.texts(ECHO, ("whole", None, "ha\0lf"))


def test_no_row_and_many(own: Database) -> None:
    assert own.texts("select 1 where false", ()) == []
    assert own.texts("select n from generate_series(1, %s::integer) n", ("3",)) == [("1",), ("2",), ("3",)]


def test_what_is_run_again_on_a_connection_is_prepared(own: Database) -> None:
    seen = []
    for _ in range(3):
        own.texts(ECHO, ("a", "b", "c"))
        seen.append(own.value(PREPARED))
    assert seen == [0, 1, 1]
    own.close()
    own.texts(ECHO, ("a", "b", "c"))
    assert own.value(PREPARED) == 0


def test_nothing_is_prepared_on_a_connection_that_is_to_prepare_nothing(own: Database) -> None:
    """As behind RDS Proxy, where the next statement may reach another session."""
    own.call(lambda connection: setattr(connection, "prepare_threshold", None))
    for _ in range(3):
        own.texts(ECHO, ("a", "b", "c"))
    assert own.value(PREPARED) == 0


@pytest.mark.parametrize(
    ("query", "parameter", "error", "sqlstate"),
    [
        ("select 1 / %s::integer", "0", RefusedByDatabase, "22012"),
        ("select %s::jsonb", "{", RefusedByDatabase, "22P02"),
        ("select nothing(%s)", "x", StorageUnavailable, "42883"),
    ],
)
def test_what_the_server_refuses_is_named_by_its_code(
    own: Database, query: str, parameter: str, error: type[Exception], sqlstate: str
) -> None:
    for _ in range(2):
        with pytest.raises(error, match=sqlstate):
            own.texts(query, (parameter,))
    assert own.texts("select %s", ("still here",)) == [("still here",)]


@pytest.mark.parametrize("uses", [1, 3])
def test_a_connection_that_died_in_between_is_replaced(own: Database, database_url: str, uses: int) -> None:
    for _ in range(uses):
        own.texts(ECHO, ("a", "b", "c"))
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(TERMINATE)
    assert own.texts(ECHO, ("a", "b", "c")) == [("a", "b", "1")]


def test_a_statement_whose_session_is_ended_stores_nothing_and_says_so(own: Database) -> None:
    """Its backend ends itself while it works, and so does the one that it is repeated on."""
    with pytest.raises(StorageUnavailable, match=r"OperationalError|57P01"):
        own.texts("select pg_terminate_backend(pg_backend_pid()), pg_sleep(%s)", ("10",))
    assert own.texts("select %s", ("here again",)) == [("here again",)]


def test_a_statement_on_a_silent_connection_ends_in_time(own: Database) -> None:
    """As on a server that was stopped, whose own time-outs are off: the watchdog ends it while libpq waits."""
    own.call(lambda connection: connection.execute("set statement_timeout = 0"))
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        own.texts("select pg_sleep(%s)", ("60",))
    assert time.monotonic() - started < 30
    assert own.texts("select %s", ("here again",)) == [("here again",)]
