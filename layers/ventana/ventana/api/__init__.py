"""The operators' API: send a message, look up messages and conversations, their windows, statistics, parked items.

Every error is application/problem+json with a stable `code`. Who may call is decided before this code, by the API's
authorizer.
"""

from __future__ import annotations

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from ventana.api import conversations, messages, parked, problems
from ventana.api.services import Services


def make_app(services: Services) -> APIGatewayHttpResolver:
    """The resolver of HTTP API v2 events for all routes under /v1."""
    app = APIGatewayHttpResolver(enable_validation=True)
    problems.register(app)
    for routes in (messages, conversations, parked):
        routes.register(app, services)
    return app
