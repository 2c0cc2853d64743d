"""Ends a wait that the server's own time-outs cannot end: a server that is stopped, or a network that swallows.

A statement on such a connection would wait for ever; shutting the socket makes it fail at once. One thread looks every
tenth of a second, so that watching costs a statement nothing, and ends where there was nothing to watch for a while.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from ventana.schema.types import Connection

LOOK_SECONDS = 0.1
REST_SECONDS = 5.0
"""How long a watchdog looks on after the last statement."""


class Watchdog:
    """Shuts the socket of a connection whose statement outlives its deadline."""

    def __init__(self, rest_seconds: float = REST_SECONDS) -> None:
        self._rest_seconds = rest_seconds
        self._lock = threading.Lock()
        self._watched: tuple[float, int] | None = None  # until when (monotonic), and the socket
        self._used = 0.0  # when it last began to watch (monotonic)
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, connection: Connection, until: float) -> Iterator[None]:
        """Let the block's statements on `connection` last no longer than `until` (time.monotonic)."""
        with self._lock:
            self._watched, self._used = (until, connection.fileno()), time.monotonic()
            if self._thread is None or not self._thread.is_alive():  # threads do not survive a snapshot or a fork
                self._thread = threading.Thread(target=self._look, name="ventana-watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._watched = None

    def rest(self) -> None:
        """End the thread at its next look; the next statement begins another."""
        self._used = -self._rest_seconds

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                now = time.monotonic()
                if self._watched and now > self._watched[0]:
                    with suppress(OSError), socket.socket(fileno=os.dup(self._watched[1])) as doubled:
                        doubled.shutdown(socket.SHUT_RDWR)  # fails where the connection has just died by itself
                    self._watched = None
                if not self._watched and now > self._used + self._rest_seconds:
                    self._thread = None
                    return


def connected_within(seconds: float, connect: Callable[[], Connection]) -> Connection:
    """Connect, or raise ConnectionTimeout after `seconds`; libpq itself knows no time-out below two."""
    found: list[Connection | psycopg.Error] = []
    given_up = threading.Event()

    def attempt() -> None:
        try:
            connection = connect()
        except psycopg.Error as error:
            found.append(error)
            return
        found.append(connection)
        if given_up.is_set():
            connection.close()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        given_up.set()
        raise psycopg.errors.ConnectionTimeout(f"no connection within {seconds:.1f} s")
    if isinstance(found[0], psycopg.Error):
        raise found[0]
    return found[0]
