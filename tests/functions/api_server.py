"""The API behind HTTP on loopback: requests become events and answers responses, as API Gateway does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from infra.local.http_event import build_event, read_answer
from infra.local.http_server import HttpServer, Request, Response
from infra.local.template import Route
from tests.functions.lambda_context import Context

ROUTE = Route("ANY", "$default", "Api", guarded=True)


@contextmanager
def serving_api(handler: Callable[[dict[str, Any], object], dict[str, Any]]) -> Iterator[str]:
    """Serve a handler, whoever asks: tokens are API Gateway's business. The origin to ask."""

    def answer(request: Request) -> Response:
        event = build_event(request, ROUTE, {}, {"sub": "somebody"})
        response = read_answer(json.dumps(handler(event, Context())).encode())
        assert response is not None, "API Gateway would not understand the answer"
        return response

    server = HttpServer(answer)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
