"""One statement by libpq itself, as psycopg wraps it: for the call that every webhook waits for.

A cursor composes, adapts and awaits in Python, which is a sixth of a warm webhook's own CPU time. Here parameters and
values are text, as Postgres reads and writes it, and the wait is libpq's own; other threads run meanwhile, among them
the one that ends it (deadline.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import count
from typing import Any, LiteralString

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from ventana.schema.types import Connection

Texts = tuple[str | None, ...]
"""The values of a row, None for NULL."""


class Direct:
    """Runs statements on a connection in autocommit mode: one round trip each, and one commit.

    What is run a second time on a connection is prepared, unless it prepares nothing (behind RDS Proxy).
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._ran: dict[bytes, bytes | None] = {}  # on this connection, and under which name it was prepared

    def rows(self, connection: Connection, query: LiteralString, parameters: Sequence[str | None]) -> list[Texts]:
        """Every row of `query`, each %s of it one parameter; raises psycopg's errors as a cursor does."""
        statement = _numbered(query)
        given: Any = [_bytes(value) for value in parameters]  # prepared ones are annotated without NULL
        name = self._prepared(connection, statement)
        if name is None:
            result = connection.pgconn.exec_params(statement, given)
        else:
            result = connection.pgconn.exec_prepared(name, given)
        if result.status != ExecStatus.TUPLES_OK:
            raise _error(result)
        columns = range(result.nfields)
        return [tuple(_text(result.get_value(row, column)) for column in columns) for row in range(result.ntuples)]

    def _prepared(self, connection: Connection, statement: bytes) -> bytes | None:
        if connection.prepare_threshold is None:
            return None
        if connection is not self._connection:
            self._connection, self._ran = connection, {}
        if statement not in self._ran:
            self._ran[statement] = None
            return None
        if self._ran[statement] is None:
            name = b"direct_" + sha256(statement).hexdigest()[:16].encode()
            result = connection.pgconn.prepare(name, statement)
            if result.status != ExecStatus.COMMAND_OK:
                raise _error(result)
            self._ran[statement] = name
        return self._ran[statement]


@lru_cache
def _numbered(query: LiteralString) -> bytes:
    """With $1, $2, … in place of each %s."""
    numbers = count(1)
    return re.sub("%s", lambda found: f"${next(numbers)}", query).encode()


def _bytes(value: str | None) -> bytes | None:
    if value is None:
        return None
    if "\0" in value:  # libpq would take it for the end, and Postgres store what comes before
        raise psycopg.errors.CharacterNotInRepertoire("a NUL in a parameter")
    return value.encode()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _error(result: PGresult) -> psycopg.Error:
    if result.error_field(DiagnosticField.SQLSTATE):
        return psycopg.errors.error_from_result(result)
    # The server said nothing any more: the connection died under the statement.
    return psycopg.OperationalError(result.get_error_message())
