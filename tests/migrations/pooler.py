"""A pooler before Postgres, as small as can be: clients share its sessions, and swap them after each transaction."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
from psycopg.conninfo import make_conninfo

ENCRYPTION = (80877103, 80877104)  # a client asks for TLS or GSSAPI before it starts
ASKS_THE_CLIENT = (3, 5, 10, 11)  # kinds of authentication messages that a client answers


class Closed(Exception):
    """The other side has gone."""


@contextmanager
def pooler(dsn: str, *, by_transaction: bool, pick: Callable[[int], int] = lambda free: -1) -> Iterator[str]:
    """The DSN of a pooler before `dsn`. `pick` says which of the free sessions, used last at the end, is next."""
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    server = (str(info["host"]), int(str(info["port"])))
    free: list[socket.socket] = []
    lock = threading.Lock()

    class Client(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            session = socket.create_connection(server)
            for side in (session, self.request):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(Closed, OSError):
                start(self.request, session)
                if not by_transaction:
                    with closing(session):
                        while True:
                            exchange(self.request, session, one(self.request))
                free.append(session)
                while True:
                    message = one(self.request)
                    if message[:1] == b"X":
                        return
                    with lock:
                        session = free.pop(pick(len(free)))
                    while exchange(self.request, session, message) != b"I":
                        message = one(self.request)
                    free.append(session)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Client) as pool:
        thread = threading.Thread(target=pool.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield make_conninfo(dsn, host="127.0.0.1", port=pool.server_address[1])
        finally:
            pool.shutdown()
            thread.join()
            for session in free:
                session.close()


def start(client: socket.socket, session: socket.socket) -> None:
    """Let the client log in with the server."""
    startup = sized(client, b"")
    while struct.unpack("!i", startup[4:8])[0] in ENCRYPTION:
        client.sendall(b"N")
        startup = sized(client, b"")
    session.sendall(startup)
    while True:
        message = one(session)
        client.sendall(message)
        if message[:1] == b"Z":
            return
        if message[:1] == b"R" and struct.unpack("!i", message[5:9])[0] in ASKS_THE_CLIENT:
            session.sendall(one(client))


def exchange(client: socket.socket, session: socket.socket, message: bytes) -> bytes:
    """Pass on what the client says, and where it ends a query the answer; the state of the transaction after it."""
    session.sendall(message)
    while message[:1] not in b"QS":
        message = one(client)
        session.sendall(message)
    while message[:1] != b"Z":
        message = one(session)
        client.sendall(message)
    return message[5:6]


def one(side: socket.socket) -> bytes:
    """The next whole message."""
    return sized(side, some(side, 1))


def sized(side: socket.socket, kind: bytes) -> bytes:
    size = some(side, 4)
    return kind + size + some(side, struct.unpack("!i", size)[0] - 4)


def some(side: socket.socket, number: int) -> bytes:
    found = b""
    while len(found) < number:
        more = side.recv(number - len(found))
        if not more:
            raise Closed
        found += more
    return found
