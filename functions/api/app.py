"""The operators' API; its routes are in ventana.api."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.api import make_app
from ventana.api.services import Services
from ventana.schema.connection import Database
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import measured

settings = Settings.from_environment()
app = make_app(Services(settings, Database(settings), SendQueue(settings.send_queue_urls())))


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one HTTP API v2 event."""
    return app.resolve(event, context)
