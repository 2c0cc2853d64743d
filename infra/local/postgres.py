"""A Postgres of our own from the binaries of a wheel: no installation, no service, no port that others can reach.

It is a foreground child that ends when we end. Postgres refuses to run as root, so root runs it as `nobody`, from
places that `nobody` may enter (places.py).
"""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from infra.local.child import die_with_parent, end
from infra.local.places import Places, PostgresFailed

__all__ = ["APPLICATION_ROLE", "Postgres", "PostgresFailed", "application_dsn"]

USER = "ventana"
DATABASE = "ventana"
APPLICATION_ROLE = "ventana_app"
START_SECONDS = 60.0
LEFTOVER_SECONDS = 15.0
# What a server says while one that was killed has not quite gone: its pid file, its memory, its port.
LEFTOVERS = ("postmaster.pid", "pre-existing shared memory", "could not bind", "could not create any TCP")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their path may be no longer than 107 bytes; a clone's may
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
FAST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_init_zero": "off",
}


class Postgres:
    """One server over one data directory, which is made on the first start and kept."""

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.places = Places(state)
        self._durable = durable
        self._settings = SETTINGS if durable else SETTINGS | FAST_SETTINGS
        self._process: subprocess.Popen[bytes] | None = None
        self._password = ""
        self._port = 0

    def dsn(self, database: str = DATABASE) -> str:
        """Where a database of the running server is."""
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers. Raises PostgresFailed when it does not."""
        try:
            self.places.prepare()
            self._password = self._kept_password()
            if not (self.places.data / "PG_VERSION").exists():
                self._initdb()
            self._check_version()
            self._start_patiently()
            self._create_database()
        except (OSError, subprocess.SubprocessError) as error:
            raise PostgresFailed(f"PostgreSQL cannot run in {self.places.state}: {error}") from error

    def stop(self) -> None:
        """End the server: open sessions are cut, everything committed is on disk."""
        if self._process is not None:
            end(self._process, signal.SIGINT, seconds=15)
            self._process = None

    def _kept_password(self) -> str:
        return _kept(self.places.state / "postgres.password")

    def _initdb(self) -> None:
        password = self.places.private_file("password", self._password)
        unfinished = self.places.data.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        # A random password of 192 bits needs no stretching, and tests connect a thousand times.
        options = ["--auth=scram-sha-256", "-c", "scram_iterations=1", "--encoding=UTF8", "--locale=C"]
        options += [] if self._durable else ["--no-sync"]
        made = self.places.run(["initdb", "-D", str(unfinished), "-U", USER, f"--pwfile={password}", *options])
        password.unlink()
        if made.returncode:
            raise PostgresFailed(f"initdb failed: {_last_line(made.stderr)}")
        unfinished.rename(self.places.data)

    def _check_version(self) -> None:
        found, ours = (self.places.data / "PG_VERSION").read_text().strip(), self.places.major
        if found != ours:
            raise PostgresFailed(f"{self.places.data} is of PostgreSQL {found}, ours is {ours}: run `make clean`")

    def _start_patiently(self) -> None:
        give_up = time.monotonic() + LEFTOVER_SECONDS
        while True:
            leftover = (self.places.data / "postmaster.pid").exists()
            said = self._start_once()
            if said is None:
                return
            if time.monotonic() > give_up or not (leftover or any(words in said for words in LEFTOVERS)):
                raise PostgresFailed(f"PostgreSQL did not start: {said}")
            time.sleep(0.1)

    def _start_once(self) -> str | None:
        """Start; None when it answers, else what it said when it ended."""
        before = self._port
        self._port = before or _free_port()  # who was connected before a restart comes back to the same place
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        with self.places.log.open("wb") as log:
            self._process = self.places.popen(
                ["postgres", "-D", str(self.places.data), "-p", str(self._port), *settings],
                log,
                die_with_parent(signal.SIGINT),
            )
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
            else:
                return None
        pid = self._process.pid
        self.stop()
        self._port = before
        return _last_line(self.places.log.read_bytes(), pid)

    def _create_database(self) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            try:
                connection.execute(f"create database {DATABASE}")
            except psycopg.errors.DuplicateDatabase:
                return


def application_dsn(owner: str, state: Path) -> str:
    """The database at `owner` for the role of the application, which is made where it is missing.

    The password of a role that somebody else made is not ours to change: then its sessions are refused.
    """
    password = _kept(state / "application.password")
    with psycopg.connect(owner, autocommit=True) as connection:
        if not connection.execute("select 1 from pg_roles where rolname = %s", [APPLICATION_ROLE]).fetchone():
            made = SQL("create role {} login password {}").format(Identifier(APPLICATION_ROLE), password)
            connection.execute(made)
    return make_conninfo(owner, user=APPLICATION_ROLE, password=password)


def _kept(file: Path) -> str:
    """The password in this file, which is made where it is missing."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(24))
    return file.read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_line(output: bytes, pid: int = 0) -> str:
    """The line that tells most; of the server with this pid, for one that is just ending writes to the same log."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    own = [line for line in lines if f"[{pid}]" in line] or lines
    telling = [line for line in own if any(word in line for word in ("FATAL", "error", "could not"))]
    return (telling or own or ["it gave no reason"])[-1].strip()
