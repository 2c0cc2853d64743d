"""The operators' API: send messages and see what became of them, work on conversations, look after addresses.

Every error is application/problem+json with a stable `code`. Who may call is decided before this code, by the API's
authorizer.
"""

from __future__ import annotations

from pathlib import Path

from ventana.api import (
    addresses,
    changes,
    conversations,
    dead_letters,
    deliveries,
    inbox,
    messages,
    overview,
    parked,
    problems,
    system,
    templates,
)
from ventana.api.bodies import Api
from ventana.api.console import Console
from ventana.api.services import Services
from ventana.media_links import MediaLinks


def make_app(services: Services, documented: bool = False, console: Path | None = None) -> Api:
    """The resolver of HTTP API v2 events for all operations under /v1, and for the files of the console's folder."""
    settings = services.settings
    links = MediaLinks(settings.media_bucket)
    files = Console(console, bool(settings.simulator_url), lambda: links.origin) if console else None
    app = Api(documented, settings.write_scope, files)
    problems.register(app)
    for operations in (
        messages,
        deliveries,
        conversations,
        inbox,
        changes,
        addresses,
        templates,
        overview,
        parked,
        dead_letters,
        system,
    ):
        operations.register(app, services)
    return app
