"""What the tests of migrations share: connections to a migrated database, one of which writes as in former times."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def old(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection for which no trigger fires: what it writes is as if it had been there before."""
    connection.execute("set session_replication_role = replica")
    return connection


@pytest.fixture
def runner(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened
