"""Entries of queues that were given up: how many there are, and their way back after a fix."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from ventana.api import overview_views as views
from ventana.api.answers import answer, problem
from ventana.api.bodies import Api
from ventana.api.callers import audit, caller_of
from ventana.api.operations import Operations
from ventana.api.services import Services
from ventana.dead_letters import Redriven
from ventana.errors import NotFound
from ventana.telemetry import logger

Queue = Annotated[str, Path(description="As `GET /v1/dead-letters` names it: send, spill, lookup, media.")]


def register(app: Api, services: Services) -> None:
    """Add the operations of dead letters."""
    operations = Operations(app, "dead letters")

    @operations.get("/v1/dead-letters", views.DeadLetterPage)
    def list_dead_letters() -> Response[Any]:
        """List how many entries wait in each dead letter queue."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return answer(200, views.DeadLetterPage(services.dead_letters.waiting()))
        except (BotoCoreError, ClientError) as error:
            return _away("*", error)

    @operations.post("/v1/dead-letters/<queue>/redrive", Redriven, 404, status=202)
    def redrive(queue: Queue) -> Response[Any]:
        """Move up to 100 entries back to the queue that they came from.

        One that comes there a second time does nothing twice. Call it again while `left` is not 0.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        caller = caller_of(app.current_event)
        if queue not in services.dead_letters:
            raise NotFound("there is no such dead letter queue")
        try:
            done = services.dead_letters.redrive(queue)
        except (BotoCoreError, ClientError) as error:
            return _away(queue, error)
        audit("dead_letters_redriven", caller, queue=queue, moved=done.moved, left=done.left)
        return answer(202, done)


def _away(queue: str, error: Exception) -> Response[Any]:
    logger.warning("dead_letters_away", extra={"queue": queue, "error": type(error).__name__})
    return problem(503, "queue_unavailable", "The queue did not answer")
