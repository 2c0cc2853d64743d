"""What breaks, each as a block: broken while the block runs, whole again afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

from infra.local.postgres import Postgres

MAX_CONNECTIONS = 30
KILL_EVERY_SECONDS = 0.8  # between two kills, workers are up again and busy


class Server:
    """A Postgres of the test's own: the local system is given its address and does not look after it."""

    def __init__(self, directory: Path) -> None:
        self._postgres = Postgres(directory)
        self._postgres.start()
        # Few, so that they can be used up quickly.
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"alter system set max_connections = {MAX_CONNECTIONS}")
        self._postgres.stop()
        self._postgres.start()

    @property
    def dsn(self) -> str:
        return self._postgres.dsn()

    def remove(self) -> None:
        self._postgres.stop()
        self._postgres.places.remove()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """kill -9, all of it; started again at the same address."""
        self._signal(signal.SIGKILL)
        self._postgres.stop()
        yield
        self._postgres.start()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Connections stay, and new ones are taken by the kernel, but nobody answers."""
        processes = self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    @contextmanager
    def exhausted(self) -> Iterator[None]:
        """Sessions that do nothing hold every connection there is; those of the functions are cut."""
        with ExitStack() as idle:
            admin = idle.enter_context(psycopg.connect(self.dsn, autocommit=True))
            while True:
                with suppress(psycopg.OperationalError):
                    while True:
                        idle.enter_context(psycopg.connect(self.dsn, autocommit=True))
                cut = admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ventana'"
                ).fetchall()
                if not cut:
                    break
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As a migration that takes its time."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute("lock table kommo_messages in access exclusive mode")
            yield
            connection.rollback()

    def _signal(self, number: signal.Signals) -> list[int]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute("select pid from pg_stat_activity where pid <> pg_backend_pid()").fetchall()
        postmaster = int((self._postgres.places.data / "postmaster.pid").read_text().splitlines()[0])
        processes = [postmaster, *(pid for (pid,) in found)]
        signalled = []
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)
                signalled.append(process)
        return signalled


@contextmanager
def workers_killed(state: Path) -> Iterator[None]:
    """Every webhook function's processes get kill -9 again and again, whatever they are doing."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(KILL_EVERY_SECONDS):
            for process in writing_to(state, "*Webhook.log"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def database_and_queue_away(server: Server, state: Path) -> Iterator[None]:
    """Nothing is left to write to. The queue does not come back: it has no disk here."""
    for process in writing_to(state, "moto.log"):
        os.kill(process, signal.SIGKILL)
    with server.killed():
        yield


def writing_to(state: Path, log: str) -> list[int]:
    """Processes of the local system by their log."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            output = (folder / "fd" / "1").readlink()
            if output.parent == state.resolve() / "logs" and output.match(log):
                found.append(int(folder.name))
    return found
