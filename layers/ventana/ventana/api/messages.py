"""Sending messages and seeing what became of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

from ventana.api.answers import answer
from ventana.api.requests import SendRequest
from ventana.api.services import Services
from ventana.errors import NotFound, VentanaError
from ventana.schema.conversations import find_message, history_of
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound, mark_queued
from ventana.send_queue import Turn
from ventana.telemetry import count, logger


def register(app: APIGatewayHttpResolver, services: Services) -> None:
    """Add the routes of messages."""

    @app.post("/v1/messages")
    def accept_message(request: SendRequest) -> Response[Any]:
        """Take an answer in and queue it; 409 window_closed when only a template may be sent."""
        accepted = accept_outbound(
            services.database,
            OutboundRequest(
                [Part(str(uuid4()), {"type": "text", "body": request.text.body})],
                "api",
                conversation_id=str(request.conversation_id) if request.conversation_id else None,
                provider=request.provider,
                to=request.to,
            ),
            services.margin,
        )
        count("OutboundAccepted")
        _queue(services, accepted.turns("reply"))
        body = {"id": accepted.message_ids[0], "status": accepted.status, "conversation_id": accepted.conversation_id}
        return answer(202, body)

    @app.get("/v1/messages/<message_id>")
    def show_message(message_id: UUID) -> Response[Any]:
        """One message with its delivery status and how it came to it."""
        message = find_message(services.database, str(message_id))
        if message is None:
            raise NotFound("there is no message with this id")
        history = [asdict(change) for change in history_of(services.database, message.id)]
        return answer(200, {**asdict(message), "status": message.delivery_status, "history": history})


def _queue(services: Services, turns: list[Turn]) -> None:
    taken = services.queue.put_quietly(turns)
    try:
        mark_queued(services.database, [turn.message_id for turn in taken])
    except VentanaError as error:  # they are ours all the same, and a turn counts without the mark
        logger.warning("not_marked", extra={"error": type(error).__name__})
