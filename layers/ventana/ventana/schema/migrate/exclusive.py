"""One migration run at a time: a session advisory lock, which frees itself when its holder dies.

It is polled, never waited for inside one statement: a waiting statement holds a snapshot, CREATE INDEX CONCURRENTLY
waits for snapshots, and the two would deadlock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from ventana.schema.migrate.folder import Locked, MigrationError

LOCK_KEY = 0x56656E74616E61  # "Ventana"
TRY = "select pg_try_advisory_lock(%s)"
FREE = "select pg_advisory_unlock(%s)"
SESSION = "select pg_backend_pid()"
LOOKS = 3
SAY_SECONDS = 5.0
# A holder whose machine is gone, as that of a function can be, says no farewell: the server has to ask. What it was
# doing in a transaction ends then as well. Servers that cannot do so leave it.
ASK = """
select set_config(name, value, false)
  from (values ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
               ('client_connection_check_interval', '5000')) wanted (name, value)
  join pg_settings using (name)
"""


@contextmanager
def exclusive(connection: psycopg.Connection, dsn: str, wait: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock for the block, or raise Locked after `wait` seconds. Raises MigrationError behind a pooler."""
    _be_direct(connection, dsn)
    connection.execute(ASK)
    waiting_since = time.monotonic()
    said = -SAY_SECONDS
    while not _true(connection, TRY, LOCK_KEY):
        waited = time.monotonic() - waiting_since
        if waited > wait:
            raise Locked(f"another run holds the lock since more than {wait:.0f} s; nothing was changed")
        if waited - said >= SAY_SECONDS:
            said = waited
            say("waiting: another run holds the lock")
        time.sleep(0.2 + random.random() * 0.3)  # noqa: S311 - jitter
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(FREE, (LOCK_KEY,))


def _be_direct(connection: psycopg.Connection, dsn: str) -> None:
    """Two clients have two sessions of the server, and keep them; behind a transaction pooler they share and swap.

    Looked at before the lock is asked for: it would stay with a session of the pooler when we are gone.
    """
    pooler = MigrationError(
        "this is a transaction pooler: sessions change hands after each transaction, and with them the lock that keeps "
        "two runs apart; nothing was changed: connect to Postgres itself, or to a pooler in session mode"
    )
    with psycopg.connect(dsn, autocommit=True, application_name="ventana-migrator") as other:
        for _ in range(LOOKS):
            # A pooler that takes sessions in turn swaps ours; one that takes the last used gives it to the other.
            # Nothing is prepared on the way: what one session prepared another does not know.
            ours = {connection.execute(SESSION, prepare=False).fetchone() for _ in range(LOOKS)}
            with other.transaction():
                # In this order: where there is one session for all, the other has it now, and we would wait for it.
                if len(ours) > 1 or other.execute(SESSION, prepare=False).fetchone() in ours:
                    raise pooler
                if connection.execute(SESSION, prepare=False).fetchone() not in ours:
                    raise pooler


def _true(connection: psycopg.Connection, query: LiteralString, *parameters: object) -> bool:
    return connection.execute(query, parameters).fetchone() == (True,)
