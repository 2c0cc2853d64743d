"""The API about itself: its health, and its document."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response

from ventana.api import views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.callers import caller_of
from ventana.api.operations import Operations
from ventana.api.roles import may_write
from ventana.api.services import Services


def register(app: Api, services: Services) -> None:
    """Add the operations of the system."""
    operations = Operations(app, "system")
    made: list[str] = []

    @operations.get("/v1/health", views.Health)
    def show_health() -> Response[Any]:
        """Show whether the database answers."""
        services.database.value("select 1")
        return answer(200, views.Health("ok"))

    @operations.get("/v1/me", views.Caller)
    def show_caller() -> Response[Any]:
        """Show who the token's caller is, and whether they may change anything."""
        event = app.current_event
        writes = may_write(event.raw_event, services.settings.write_scope)
        return answer(200, views.Caller(caller_of(event), writes))

    @operations.get("/v1/openapi.json", views.Document)
    def show_document() -> Response[Any]:
        """Show this document."""
        if not made:
            from ventana.api import make_app  # for the few who ask
            from ventana.api.document import document

            made.append(document(make_app(services, documented=True)))
        return Response(200, "application/json", made[0])
