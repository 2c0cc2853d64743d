"""The operators' API: send messages and see what became of them, work on conversations, look after addresses.

Every error is application/problem+json with a stable `code`. Who may call is decided before this code, by the API's
authorizer.
"""

from __future__ import annotations

from ventana.api import addresses, changes, conversations, deliveries, messages, parked, problems, system
from ventana.api.bodies import Api
from ventana.api.services import Services


def make_app(services: Services, documented: bool = False) -> Api:
    """The resolver of HTTP API v2 events for all operations under /v1."""
    app = Api(documented)
    problems.register(app)
    for operations in (messages, deliveries, conversations, changes, addresses, parked, system):
        operations.register(app, services)
    return app
