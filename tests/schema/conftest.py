"""What the schema tests share: a Database of ours over a fresh, migrated Postgres, and short ways to say things.

What is tested is connected as the application's role; what a test itself looks at or changes, by `rows`, as the owner.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from tests.conftest import _database as fresh_database
from tests.conftest import as_application
from ventana.schema.connection import Database
from ventana.settings import Settings

Result = TypeVar("Result")


class Owned(Database):
    """A database as the application's role has it; `owner` is the same for the owner."""

    def __init__(self, dsn: str) -> None:
        super().__init__(Settings(database_url=as_application(dsn)))
        self.owner = Database(Settings(database_url=dsn))

    def close(self) -> None:
        super().close()
        self.owner.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Owned(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared(server: str, template: Callable[[], str]) -> Iterator[Database]:
    """One database for all tests of a worker that look at nothing but their own customers: the quickest."""
    with fresh_database(server, template()) as dsn:
        opened = Owned(dsn)
        yield opened
        opened.close()


@pytest.fixture
def at_once(database_url: str) -> AtOnce:
    return AtOnce(database_url)


class AtOnce:
    """Runs works in threads of their own, each with its own connection, all from the same instant."""

    def __init__(self, database_url: str) -> None:
        self._dsn = database_url

    def __call__(self, works: Sequence[Callable[[Database], Result]]) -> list[Result]:
        start = threading.Barrier(len(works))

        def run(work: Callable[[Database], Result]) -> Result:
            own = Owned(self._dsn)
            try:
                own.value("select 1")
                start.wait(30)
                return work(own)
            finally:
                own.close()

        with ThreadPoolExecutor(len(works)) as pool:
            return list(pool.map(run, works))


def rows(database: Database, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Every row of a query, which the owner sends; none of a statement that has no rows."""
    sender = database.owner if isinstance(database, Owned) else database

    def read(connection: Any) -> list[tuple[Any, ...]]:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    return sender.call(read)


def read_so_far(database: Database, *tables: str) -> int:
    """How many rows of these tables were read since the database was made, by whatever plan."""
    database.value("select pg_stat_force_next_flush()")  # of the session that is looked at
    query = """
        select sum(seq_tup_read)::bigint + sum(coalesce(idx_tup_fetch, 0))::bigint
          from pg_stat_user_tables where relname = any(%s)
    """
    return int(rows(database, query, list(tables))[0][0])
