"""The least that the server can do: take a body, answer 200. What of every figure over HTTP is HTTP."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.benchmarks.peer_programs.tables import PATH


async def receive(request: Request) -> Response:
    """Read it all, keep nothing."""
    await request.body()
    return Response(status_code=200)


app = Starlette(routes=[Route(PATH, receive, methods=["POST"])])
