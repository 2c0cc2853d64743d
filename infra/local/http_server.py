"""A small threaded HTTP server on loopback: one function from request to response, bodies raw, connections kept."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

LARGEST_BODY = 10 * 1024 * 1024
IDLE_SECONDS = 75.0


@dataclass(frozen=True)
class Request:
    """What a client sent: `path` and `query` exactly as on the wire, header names in lower case, the body raw."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    client: str = "127.0.0.1"

    def header(self, name: str) -> str:
        """The value of a header, empty when it is missing."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Response:
    """What goes back. `hang_up` closes the connection without an answer instead, `reset` breaks it off rudely."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    hang_up: bool = False
    reset: bool = False


Answer: TypeAlias = Callable[[Request], Response]


def json_response(status: int, content: Any, content_type: str = "application/json") -> Response:
    """A response that says something to a program."""
    return Response(status, json.dumps(content).encode(), {"content-type": content_type})


def problem(status: int, code: str, title: str, **more: Any) -> Response:
    """A refusal as RFC 9457 has it; `title` says what to change."""
    content = {"type": "about:blank", "title": title, "status": status, "code": code, **more}
    return json_response(status, content, "application/problem+json")


class HttpServer:
    """Listens from construction on, so that a port that is taken is known at once; answers from `start` on."""

    def __init__(self, answer: Answer, port: int = 0, too_large: Response | None = None) -> None:
        self._answer, self._too_large = answer, too_large or problem(413, "too_large", "Send no more than 10 MB")
        self._server = self._listening(port)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._changing, self._ending = threading.Lock(), threading.Event()
        self._thread = self._serving()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; answers under way are finished by their own threads or cut at exit."""
        self._ending.set()
        with self._changing:
            self._close()

    def go_away(self, seconds: float) -> None:
        """Refuse connections for a while, and break off those that are open; returns when they are taken again."""
        with self._changing:
            if self._ending.is_set():
                return
            self._close()
            self._server.break_off()
            self._ending.wait(seconds)
            while not self._ending.is_set():
                try:
                    self._server = self._listening(self.port)
                except OSError:  # somebody's outgoing connection has the port for the moment
                    self._ending.wait(0.05)
                    continue
                self._thread = self._serving()
                self._thread.start()
                return

    def _listening(self, port: int) -> _Server:
        server = _Server(("127.0.0.1", port), _Handler)
        server.answer, server.too_large = self._answer, self._too_large
        return server

    def _serving(self) -> threading.Thread:
        return threading.Thread(target=self._server.serve_forever, args=[0.02], name="http", daemon=True)

    def _close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    answer: Answer
    too_large: Response

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def break_off(self) -> None:
        """End every connection, whatever is under way on it."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients break off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    wbufsize = -1
    server: _Server

    def answer_any(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(self.server.too_large)
            return
        path, _, query = self.path.partition("?")
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        request = Request(self.command, path, query, headers, body, str(self.client_address[0]))
        self._send(self.server.answer(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = answer_any

    def _body(self) -> bytes | None:
        """The whole body, or None when it is larger than we take."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return None
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes | None:
        body = b""
        while size := int(self.rfile.readline(64).split(b";")[0].strip() or b"0", 16):
            if len(body) + size > LARGEST_BODY:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(8)
        while self.rfile.readline(8192).strip():
            pass
        return body

    def _send(self, response: Response) -> None:
        if response.hang_up or response.reset:
            self.close_connection = True
            if response.reset:
                # Closed with time to linger, but none: the kernel sends a reset instead of an orderly end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                socket.close(self.connection.detach())
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        for cookie in response.cookies:
            self.send_header("set-cookie", cookie)
        if response.status not in (204, 304):
            self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD" and response.status not in (204, 304):
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a path may hold a provider's token."""
