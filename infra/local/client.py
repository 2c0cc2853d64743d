"""A small JSON client for the story: the gateway's API and the simulators."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


class Client:
    """Calls one origin, with a bearer token where there is one, and waits so many seconds for each answer."""

    def __init__(self, origin: str, token: str = "", patience: float = 30.0) -> None:
        parts = urlsplit(origin)
        self._patience = patience
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """Status and decoded body of the answer. Raises OSError when there is none."""
        connection = HTTPConnection(self._host, self._port, timeout=self._patience)
        try:
            body = None if content is None else json.dumps(content).encode()
            connection.request(method, path, body, self._headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()
