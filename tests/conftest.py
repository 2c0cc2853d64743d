"""A Postgres for all tests: one server a run, one fresh database a test, gone afterwards.

TEST_DATABASE_URL, a server on which we may create databases and roles, wins over the embedded one.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from infra.local.postgres import Postgres, PostgresFailed

SERVER = "VENTANA_TEST_SERVER"
"""Tells the workers of pytest-xdist where the controller's server is."""
RUN = "VENTANA_TEST_RUN"
"""Marks the databases of this run, so that two runs can share a server."""
MIGRATIONS = Path(__file__).parents[1] / "functions" / "migrator" / "migrations"
_started: list[Postgres] = []
_used: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start the server where the run begins, not in each worker."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    os.environ[RUN] = f"ventana_{uuid4().hex[:12]}"
    os.environ[SERVER] = os.environ.get("TEST_DATABASE_URL") or _embedded()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker begins one when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server, or leave somebody else's as we found it."""
    if hasattr(config, "workerinput") or SERVER not in os.environ:
        return
    if _started:
        server = _started.pop()
        server.stop()
        server.places.remove()
    else:
        _drop_all_of(os.environ[RUN])
    del os.environ[SERVER]


@pytest.fixture(scope="session")
def server() -> str:
    """DSN of the server's maintenance database."""
    return os.environ[SERVER]


@pytest.fixture
def empty_database(server: str) -> Iterator[str]:
    """DSN of a fresh database with nothing in it."""
    with _database(server, "template0") as dsn:
        yield dsn


@pytest.fixture
def second_database(server: str) -> Iterator[str]:
    """DSN of another fresh database with nothing in it, to compare with the first."""
    with _database(server, "template0") as dsn:
        yield dsn


@pytest.fixture
def database_url(server: str, template: Callable[[], str]) -> Iterator[str]:
    """DSN of a fresh database that is migrated up to date."""
    with _database(server, template()) as dsn:
        yield dsn


@pytest.fixture
def application_url(database_url: str) -> str:
    """DSN of the same database for the role that the application has there."""
    return as_application(database_url)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a fresh, migrated database."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def template(server: str) -> Callable[[], str]:
    """Name of the migrated database that others are cloned from; made by the first who asks."""
    name = f"{os.environ[RUN]}_template"

    def made() -> str:
        with psycopg.connect(server, autocommit=True) as admin, _locked(admin, name):
            if not admin.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                admin.execute(f"create database {name}_unfinished template template0")
                _migrate(_named(server, f"{name}_unfinished"), application_role())
                password = SQL("alter role {} password {}")
                admin.execute(password.format(Identifier(application_role()), os.environ[RUN]))
                admin.execute(f"alter database {name}_unfinished rename to {name}")
        return name

    return made


def _embedded() -> str:
    # Under the system's own directory for such things: `nobody` must be able to enter it when root runs the tests.
    server = Postgres(Path(tempfile.mkdtemp(prefix="ventana-test-")), durable=False)
    try:
        server.start()
    except PostgresFailed as error:
        raise pytest.UsageError(f"no database to test on: {error}; or set TEST_DATABASE_URL") from error
    _started.append(server)
    return server.dsn("postgres")


def application_role() -> str:
    """The application's role on this run's server: of this run, as its databases are."""
    return f"{os.environ[RUN]}_app"


def as_application(dsn: str) -> str:
    """The same database, for the application's role."""
    parts = urlsplit(dsn)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{application_role()}:{os.environ[RUN]}@{place}"))


def _migrate(dsn: str, role: str) -> None:
    from ventana.schema.migrate import run

    run("up", dsn, folder=MIGRATIONS, say=lambda line: None, role=role)


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"{os.environ[RUN]}_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {name} template {template} strategy file_copy")
        try:
            yield _named(server, name)
        finally:
            # Postgres waits in steps of 100 ms for sessions that are just closing: drop the one of the last test.
            _used.append(name)
            while len(_used) > 1:
                admin.execute(f"drop database {_used.pop(0)} with (force)")


@contextmanager
def _locked(admin: psycopg.Connection, name: str) -> Iterator[None]:
    # Polled: a session that waits inside Postgres holds a snapshot, and CREATE INDEX CONCURRENTLY waits for those.
    while admin.execute("select pg_try_advisory_lock(hashtext(%s))", [name]).fetchone() != (True,):
        time.sleep(0.02)
    try:
        yield
    finally:
        admin.execute("select pg_advisory_unlock(hashtext(%s))", [name])


def _drop_all_of(run: str) -> None:
    with psycopg.connect(os.environ[SERVER], autocommit=True) as admin:
        for (name,) in admin.execute("select datname from pg_database where starts_with(datname, %s)", [run]):
            admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(SQL("drop role if exists {}").format(Identifier(application_role())))


def _named(server: str, database: str) -> str:
    parts = urlsplit(server)
    return urlunsplit(parts._replace(path=f"/{database}"))
