"""Programs that answer webhooks over HTTP, ours and the peers', as children on loopback that end with the bench.

They live in an environment of their own, `.local/peers`, made on first use from requirements-peers.txt: `.venv` stays
as it is. Each is served alike: uvicorn with one worker, uvloop and httptools, a connection that is kept open.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from infra.local.child import die_with_parent, end
from tests.benchmarks.peer_programs.tables import TABLES
from tests.benchmarks.system import SECRETS
from ventana.providers.base import RawRequest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".local" / "peers"
LOCK = ROOT / "requirements-peers.txt"
START_SECONDS = 30.0
ANSWER_SECONDS = 15.0


class PeersMissing(SystemExit):
    """The environment of the peers cannot be made here; ends the bench with one line that says why."""


@dataclass(frozen=True)
class Program:
    """What answers. `schema` is where its tables are; None: it has none of its own."""

    name: str
    application: str
    schema: str | None = None
    factory: bool = False


OURS = Program("ventana", "ventana_over_http:app")
HAND_ROLLED = Program("Starlette + asyncpg", "hand_rolled:app", "peer_hand_rolled")
PYWA = Program("pywa 4.5, commits first", "with_pywa:commits_first", "peer_pywa", factory=True)
PYWA_OWN_ROUTES = Program("pywa 4.5, its own routes", "with_pywa:answers_first", "peer_pywa_routes", factory=True)
NOTHING = Program("nothing but the answer", "nothing:app")


class Server:
    """One program, running."""

    def __init__(self, program: Program, directory: Path, dsn: str) -> None:
        self.program = program
        self._log = directory / f"{program.application.replace(':', '-')}.log"
        self._port = _free_port()
        self._environment = _environment(program, dsn)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1", "--loop", "uvloop"]
        options += ["--http", "httptools", "--no-access-log", "--log-level", "warning"]
        # A connection waits for its turn while others are measured.
        options += ["--timeout-keep-alive", "600"]
        options += ["--factory"] if self.program.factory else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_python(), "-m", "uvicorn", f"tests.benchmarks.peer_programs.{self.program.application}", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        give_up = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            try:
                self.connect().close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.stop()
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise SystemExit(f"{self.program.name} did not start: {lines[-1]}")

    def connect(self) -> Connection:
        """A connection to it that is kept open."""
        return Connection(self._port)

    def kill(self) -> None:
        """End it as `kill -9` does: nothing of it gets to finish anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process)


class Connection:
    """HTTP with as little of our own as can be, so that what is measured is the other side."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, request: bytes) -> int:
        """Send what `on_the_wire` made; the status of the answer. Raises OSError when there is none."""
        self._socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *fields = head.split(b"\r\n")
        named = (field.partition(b":") for field in fields)
        length = next(int(value) for name, _, value in named if name.strip().lower() == b"content-length")
        while len(body) < length:
            body += self._more()
        return int(first.split(b" ", 2)[1])

    def close(self) -> None:
        """Let it go."""
        self._socket.close()

    def _more(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionResetError("the connection ended before the answer did")
        return received


def on_the_wire(request: RawRequest) -> bytes:
    """A request as its bytes in HTTP/1.1."""
    headers = {"host": "127.0.0.1", **request.headers, "content-length": str(len(request.body))}
    lines = [f"{request.method} {urlsplit(request.url).path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


@contextmanager
def serving(programs: list[Program], directory: Path, dsn: str) -> Iterator[list[Server]]:
    """Servers of these programs, with their tables; all end here."""
    prepare_environment()
    with psycopg.connect(dsn, autocommit=True) as connection:
        for schema in (program.schema for program in programs if program.schema):
            make_tables(connection, schema)
        connection.execute("vacuum analyze")
    with ExitStack() as running:
        servers = [Server(program, directory, dsn) for program in programs]
        for server in servers:
            running.callback(server.stop)
            server.start()
        yield servers


def make_tables(connection: psycopg.Connection, schema: str) -> None:
    """A peer's tables, filled, in a schema that did not exist."""
    with connection.transaction():
        connection.execute(SQL("create schema {}").format(Identifier(schema)))
        connection.execute(SQL("set local search_path to {}").format(Identifier(schema)))
        connection.execute(TABLES)


def prepare_environment(*, offline: bool = False) -> None:
    """Make or renew the peers' environment, unless it holds what the lock says. Raises PeersMissing."""
    ready, wanted = ENVIRONMENT / "ready", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if ready.exists() and ready.read_text() == wanted:
        return
    sys.stderr.write("peers: making .local/peers …\n")
    ready.unlink(missing_ok=True)
    if not Path(_python()).exists():
        _uv("venv", "--clear", "--python", sys.executable, str(ENVIRONMENT))
    options = ["--offline"] if offline else []
    _uv("pip", "sync", "--require-hashes", *options, "--python", _python(), str(LOCK))
    ready.write_text(wanted)


def _uv(*arguments: str) -> None:
    # Where a machine has a certificate authority of its own, uv asks the system for it, as in the Makefile.
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    program = str(Path(sys.executable).with_name("uv"))
    done = subprocess.run(
        [program, *arguments, "--quiet"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["uv gave no reason"]
        raise PeersMissing(f".local/peers cannot be made: {lines[-1].strip()}")


def _python() -> str:
    return str(ENVIRONMENT / "bin" / "python")


def _environment(program: Program, dsn: str) -> dict[str, str]:
    secrets = SECRETS.of("meta", "meta")
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers" / "ventana")]),
        "PEER_DSN": dsn,
        "PEER_SCHEMA": program.schema or "",
        "PEER_APP_SECRET": secrets.first("app_secrets"),
        "PEER_VERIFY_TOKEN": secrets.first("verify_tokens"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
