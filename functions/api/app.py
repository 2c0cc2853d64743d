"""The operators' API; its routes are in ventana.api. What a request has changed is published before it is answered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.api import make_app
from ventana.api.services import Services
from ventana.dead_letters import DeadLetters, queues_of
from ventana.outbox import Outbox
from ventana.schema.connection import Database
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import measured

settings = Settings.from_environment()
database = Database(settings)
outbox = Outbox(database, settings.event_bus_name)
dead_letters = DeadLetters(queues_of(settings.dead_letter_queues))
services = Services(settings, database, SendQueue(settings.send_queue_urls()), dead_letters)
app = make_app(services, console=Path(__file__).parent / "console")

PUBLISH_SECONDS = 2.0


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one HTTP API v2 event."""
    answer = app.resolve(event, context)
    if event["requestContext"]["http"]["method"] != "GET" and answer["statusCode"] < 400:
        left = (context.get_remaining_time_in_millis() - 2 * settings.database_timeout_ms) / 1000
        outbox.publish_quietly(until=time.monotonic() + min(left, PUBLISH_SECONDS))
    return answer
