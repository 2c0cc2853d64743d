"""What is measured, put together as in production but for AWS: real handlers over a durable Postgres of our own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from logging import StreamHandler
from pathlib import Path

import psycopg

from infra.local.postgres import Postgres, PostgresFailed
from tests.benchmarks.webhooks import Identity, Kind
from tests.providers.case_table import signing_of
from ventana.providers import PROVIDERS
from ventana.schema.connection import Database
from ventana.schema.migrate import run
from ventana.schema.types import Connection
from ventana.secrets import SecretStore
from ventana.settings import Settings
from ventana.telemetry import logger
from ventana.webhook import Handler, webhook

MIGRATIONS = Path(__file__).parents[2] / "functions" / "migrator" / "migrations"
LARGE: Mapping[str, str] = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
"""As a server has them on which millions of rows live."""
SECRETS = SecretStore(lambda secret_id: json.dumps(signing_of(secret_id).SECRETS))
KINDS = (
    Kind("twilio text", "twilio", "text"),
    Kind("meta text", "meta", "text"),
    Kind("kommo text", "kommo", "text"),
    Kind("twilio status", "twilio", "status_delivered"),
    Kind("meta status", "meta", "statuses", first_only=True),
    Kind("meta batch of 10", "meta", "text", size=10),
)
"""Kommo tells of no statuses, and nobody but Meta of several messages at once."""


class System:
    """A database with the migrated schema, and a warm function for each provider, with a connection each."""

    def __init__(self, directory: Path, dsn: str, timeout_ms: int = 4000) -> None:
        self.directory, self.dsn = directory, dsn
        settings = Settings(
            database_url=dsn,
            database_timeout_ms=timeout_ms,
            public_base_url="https://ventana.example",
            secret_ids={name: name for name in PROVIDERS},
        )
        self.databases = {name: Database(settings, SECRETS) for name in PROVIDERS}
        self.handlers: dict[str, Handler] = {
            name: webhook(name, settings, SECRETS, database) for name, database in self.databases.items()
        }

    def close(self) -> None:
        """Let the connections go."""
        for database in self.databases.values():
            database.close()


@contextmanager
def server(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A durable server with the migrated schema, in a temporary directory (its `places.state`)."""
    postgres = Postgres(Path(tempfile.mkdtemp(prefix="ventana-bench-")), durable=True)
    try:
        postgres.start()
        if settings:
            with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
                for name, value in settings.items():
                    connection.execute(f"alter system set {name} = '{value}'".encode())
            postgres.stop()
            postgres.start()
        run("up", postgres.dsn(), folder=MIGRATIONS, say=lambda line: None)
        yield postgres
    except PostgresFailed as error:
        raise SystemExit(f"no database to measure on: {error}") from error
    finally:
        postgres.stop()
        postgres.places.remove()


@contextmanager
def running() -> Iterator[System]:
    """A system on a server of its own, and the functions' logs in a file there: one write a line, as on Lambda."""
    with server() as postgres:
        system = System(postgres.places.state, postgres.dsn())
        with logging_to(system.directory / "functions.log"):
            yield system
        system.close()


def copies(postgres: Postgres, names: Sequence[str]) -> list[str]:
    """Databases with these names, as empty as the migrated one, and where they are."""
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        for name in names:
            connection.execute(f"create database {name} template ventana".encode())
    return [postgres.dsn(name) for name in names]


def as_sent(connection: Connection, kind: Kind, identities: list[Identity]) -> None:
    """Put the messages there that statuses will tell of, as they are while their provider has them."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select id from kommo_conversations where provider = %s limit 1", [kind.provider])
        found = cursor.fetchone()
        if not found:
            cursor.execute(
                "insert into kommo_conversations (provider, phone, business_address) values (%s, %s, %s) returning id",
                [kind.provider, "+5511900000000", kind.business_address],
            )
            found = cursor.fetchone()
        assert found
        cursor.executemany(
            "insert into kommo_messages (id, conversation_id, provider, business_address, provider_message_id, role,"
            " content, delivery_status, opens_window, created_at)"
            " values (%s, %s, %s, %s, %s, 'assistant', 'Claro, en roble.', 'sending', false, %s)",
            [
                (i.message_id, found[0], kind.provider, kind.business_address, i.provider_message_id, i.at)
                for i in identities
            ],
        )


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Let functions write their logs there for a while."""
    handler = logger.registered_handler
    assert isinstance(handler, StreamHandler)
    terminal = handler.stream
    with path.open("w", buffering=1) as sink, redirect_stdout(sink):
        handler.setStream(sink)
        try:
            yield
        finally:
            handler.setStream(terminal)
