"""One connection per container, kept between calls, replaced when it died while the container was frozen.

Everything goes through `Database.call`: one statement, one round trip, one commit (the connection is in autocommit).
All our statements may be repeated without a double row, which is what makes the one retry safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row

from ventana.errors import NotConfigured, RefusedByDatabase, StorageUnavailable
from ventana.schema.deadline import Watchdog, connected_within
from ventana.schema.direct import Direct, Texts
from ventana.schema.iam_token import authorities, iam_token
from ventana.schema.types import Connection
from ventana.secrets import SecretStore
from ventana.settings import Settings
from ventana.snapshot import after_restore

Result = TypeVar("Result")
Parameters = Sequence[Any] | Mapping[str, Any]
PORT = 5432
ABOUT_VALUES = frozenset({"22", "23", "54"})
"""Classes of SQLSTATE: data exceptions, integrity constraint violations, program limits exceeded."""
STATEMENT_SPARE_SECONDS = 0.2  # the server's own time-out comes first: it leaves the connection whole


class Database:
    """Where the rows are. Opens on first use; safe to make at import."""

    def __init__(self, settings: Settings, secrets: SecretStore | None = None) -> None:
        self._settings = settings
        self._secrets = secrets or SecretStore()
        self._connection: Connection | None = None
        self._direct = Direct()
        self._watchdog = Watchdog()
        after_restore(self.close)

    def call(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, and once more on a new connection when the old one turned out dead or lost a lock race.

        Ends within the settings' database_timeout_ms, connecting included. Raises StorageUnavailable when nothing was
        stored: the server is away, too slow, locked or not migrated; RefusedByDatabase where it was for a value.
        """
        until = time.monotonic() + self._settings.database_timeout_ms / 1000
        try:
            try:
                return self._attempt(work, until)
            except psycopg.OperationalError as error:
                if not self._worth_repeating(error, until):
                    raise
                return self._attempt(work, until)
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                self.close()  # it was the primary once; after a failover its name leads to another server
            kind = RefusedByDatabase if (error.sqlstate or "")[:2] in ABOUT_VALUES else StorageUnavailable
            raise kind(f"the database refused: {error.sqlstate or type(error).__name__}") from error

    def _attempt(self, work: Callable[[Connection], Result], until: float) -> Result:
        connection = self._open(until)
        with self._watchdog.watching(connection, until + STATEMENT_SPARE_SECONDS):
            return work(connection)

    def all(self, kind: type[Result], query: LiteralString, parameters: Parameters = ()) -> list[Result]:
        """Every row of `query` as a `kind`, a dataclass whose fields are named as the columns are."""
        return self.call(lambda connection: _cursor(connection, kind).execute(query, parameters).fetchall())

    def one(self, kind: type[Result], query: LiteralString, parameters: Parameters = ()) -> Result | None:
        """The first row of `query` as a `kind`, or None."""
        return self.call(lambda connection: _cursor(connection, kind).execute(query, parameters).fetchone())

    def value(self, query: LiteralString, parameters: Parameters = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.call(lambda connection: connection.execute(query, parameters).fetchone())
        return row[0] if row else None

    def texts(self, query: LiteralString, parameters: Sequence[str | None]) -> list[Texts]:
        """Every row of `query` as text, by the shortest way; its parameters are text as well."""
        return self.call(lambda connection: self._direct.rows(connection, query, parameters))

    def close(self) -> None:
        """Let the connection go; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._watchdog.rest()

    def _open(self, until: float) -> Connection:
        if self._connection is None or self._connection.closed:
            timeout = self._settings.database_timeout_ms
            # Set and not passed as start-up options, which proxies and poolers refuse. RDS Proxy takes them, but would
            # give a session that has settings of its own to nobody else: there they are the role's, and the watchdog
            # ends what takes longer than this function may wait.
            session = f"set statement_timeout = {timeout}; set lock_timeout = {timeout}; set timezone = 'UTC'"
            conninfo, shared = self.conninfo(), self._settings.through_proxy

            def connect() -> Connection:
                opened = psycopg.connect(conninfo, autocommit=True, connect_timeout=2, application_name="ventana")
                if shared:
                    opened.prepare_threshold = None
                else:
                    opened.execute(session)
                return opened

            self._connection = connected_within(until - time.monotonic(), connect)
        return self._connection

    def _worth_repeating(self, error: psycopg.Error, until: float) -> bool:
        if isinstance(error, psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
            return True
        # Only a connection that had been open: a server that cannot be reached is not asked twice.
        died = self._connection is not None and self._connection.broken
        if died:
            self.close()
        half = self._settings.database_timeout_ms / 2000
        return died and until - time.monotonic() > half

    def conninfo(self) -> str:
        """How to connect: DATABASE_URL, a token of IAM, or the secret. Raises NotConfigured when none tells."""
        settings = self._settings
        if settings.database_url:
            return settings.database_url
        if settings.database_user:
            return self._by_token(settings.required("database_host"), settings.database_user)
        if settings.database_secret_id:
            return self._by_secret(self._secrets.values(settings.database_secret_id))
        raise NotConfigured(
            "set DATABASE_URL, DATABASE_USER and DATABASE_HOST for IAM, or DATABASE_SECRET_ID to a secret with host, "
            "username and password"
        )

    def _by_token(self, host: str, user: str) -> str:
        return make_conninfo(
            host=host,
            port=PORT,
            dbname=self._settings.database_name or "postgres",
            user=user,
            password=iam_token(host, PORT, user),
            sslmode="verify-full",  # a token must not be given to somebody else
            sslrootcert=authorities(),
        )

    def _by_secret(self, secret: Mapping[str, Any]) -> str:
        found = {"host": self._settings.database_host, **{name: value for name, value in secret.items() if value}}
        missing = [name for name in ("host", "username", "password") if not found.get(name)]
        if missing:
            raise NotConfigured(f"the database secret lacks {', '.join(missing)}")
        return make_conninfo(
            host=found["host"],
            port=found.get("port", PORT),
            dbname=found.get("dbname") or self._settings.database_name or "postgres",
            user=found["username"],
            password=found["password"],
            sslmode=found.get("sslmode") or "require",
        )


def _cursor(connection: Connection, kind: type[Result]) -> psycopg.Cursor[Result]:
    return connection.cursor(row_factory=class_row(kind))
