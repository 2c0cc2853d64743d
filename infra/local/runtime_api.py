"""The Runtime API that AWS puts beside every function: where a worker process fetches events and leaves answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

PREFIX = "/2018-06-01/runtime"
ARN = "arn:aws:lambda:us-east-1:123456789012:function"


@dataclass(eq=False)
class Invocation:
    """One event on its way through a worker, and what came of it: `answer`, or `error` in AWS's shape."""

    event: bytes
    timeout: float
    function: str
    id: str = field(default_factory=lambda: str(uuid4()))
    started: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    error: dict[str, Any] | None = None

    def finish(self, answer: bytes = b"", error: dict[str, Any] | None = None) -> None:
        """Keep the first outcome; a worker that is killed for being late may still have answered."""
        if not self.done.is_set():
            self.answer, self.error = answer, error
            self.done.set()
            self.started.set()


class RuntimeApi:
    """The API of one worker: at most one invocation at a time, as on AWS."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._generation = 0
        self._current: Invocation | None = None
        self._init_error: dict[str, Any] | None = None
        self.served = False
        """Whether the process has come as far as taking an event."""
        self.begun = threading.Event()
        """Set once a process has asked for its first event: its imports are behind it."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=[0.1], name="runtime-api", daemon=True).start()

    def hand_over(self, invocation: Invocation) -> None:
        """Give the worker its next event; it may still be starting."""
        with self._changed:
            self._current = invocation
            self._changed.notify_all()

    def worker_starts(self) -> None:
        """Forget the former process: a request of its that still waits must not swallow an event."""
        with self._changed:
            self._generation += 1
            self._init_error, self.served = None, False
            self._changed.notify_all()

    def worker_ended(self, code: int) -> None:
        """Fail what the process was working on. What it had not begun waits for the next, unless none can start."""
        with self._changed:
            self._generation += 1
            invocation = self._current
            if invocation is None or not (invocation.started.is_set() or self._init_error):
                return
            self._current = None
        died = {"errorType": "Runtime.ExitError", "errorMessage": f"the worker ended with status {code}"}
        invocation.finish(error=self._init_error or died)

    def close(self) -> None:
        """Stop listening and let waiting requests go."""
        self.worker_starts()
        self._server.shutdown()
        self._server.server_close()

    def next(self, connected: Callable[[], bool]) -> Invocation | None:
        """Wait for an event; None when the process that asked is gone, which `connected` knows first."""
        with self._changed:
            mine = self._generation
            self.begun.set()
            self._changed.wait_for(lambda: self._generation != mine or self._fresh() is not None)
            invocation = self._fresh()
            if self._generation != mine or invocation is None or not connected():
                return None
            self.served = True
            invocation.started.set()
            return invocation

    def report(self, path: str, body: bytes) -> bool:
        """Take an answer or an error; False when it belongs to nothing that we wait for."""
        if path in ("/init/error", "/restore/error"):
            self._init_error = json.loads(body)
            return True
        current = self._current
        for outcome in ("response", "error"):
            if current is not None and path == f"/invocation/{current.id}/{outcome}":
                self._current = None
                current.finish(**({"answer": body} if outcome == "response" else {"error": json.loads(body)}))
                return True
        return False

    def _fresh(self) -> Invocation | None:
        return self._current if self._current is not None and not self._current.started.is_set() else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a connection breaks off whenever a worker is ended."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path == f"{PREFIX}/restore/next":
            # On AWS the snapshot is taken while the process waits here. Its only copy goes on at once.
            self._answer(200)
            return
        invocation = self.server.api.next(self._connected) if self.path == f"{PREFIX}/invocation/next" else None
        if invocation is None:
            self._answer(404)
            return
        deadline = int((time.time() + invocation.timeout) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": f"{ARN}:{invocation.function}",
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]};Sampled=0",
        }
        self._answer(200, invocation.event, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        known = self.server.api.report(self.path.removeprefix(PREFIX), body)
        self._answer(202 if known else 404, b'{"status":"OK"}')

    def _connected(self) -> bool:
        # A client that waits for its answer sends nothing, so there is something to read only when it hung up.
        return not select.select([self.connection], [], [], 0)[0]

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what functions do is in their own logs."""
