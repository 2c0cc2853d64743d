"""Our own handler behind the server that the peers have: what stands for API Gateway and Lambda here is Starlette.

The handler is the one that is deployed, fed with the same events, one at a time as in a container on Lambda: it waits
for Postgres in the event loop, and nothing else is served meanwhile. There is no queue to spill to: what cannot be
committed is answered 503.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.benchmarks.peer_programs.tables import DSN, PATH
from tests.benchmarks.system import SECRETS
from tests.benchmarks.webhooks import event_of
from ventana.providers.base import RawRequest
from ventana.settings import Settings
from ventana.webhook import webhook

ORIGIN = "https://ventana.example"
handler = webhook("meta", Settings(database_url=DSN, public_base_url=ORIGIN, secret_ids={"meta": "meta"}), SECRETS)


async def receive(request: Request) -> Response:
    """One event, one invocation, one answer."""
    event = event_of(RawRequest("POST", ORIGIN + PATH, dict(request.headers), await request.body()))
    answer = handler(event, None)
    return Response(answer["body"], answer["statusCode"], answer["headers"])


app = Starlette(routes=[Route(PATH, receive, methods=["POST"])])
