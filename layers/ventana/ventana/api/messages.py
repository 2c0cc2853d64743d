"""Sending messages and seeing what became of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from botocore.exceptions import BotoCoreError, ClientError

from ventana.api.answers import answer
from ventana.api.requests import SendRequest
from ventana.api.services import Services
from ventana.errors import NotFound, VentanaError
from ventana.schema.conversations import find_message, history_of
from ventana.schema.outbound import Accepted, accept_outbound, mark_queued
from ventana.telemetry import count, logger


def register(app: APIGatewayHttpResolver, services: Services) -> None:
    """Add the routes of messages."""

    @app.post("/v1/messages")
    def accept_message(request: SendRequest) -> Response[Any]:
        """Take an answer in and queue it; 409 window_closed when only a template may be sent."""
        accepted = accept_outbound(
            services.database,
            str(uuid4()),
            request.text.body,
            services.margin,
            conversation_id=str(request.conversation_id) if request.conversation_id else None,
            provider=request.provider,
            to=request.to,
        )
        count("OutboundAccepted")
        status = _queue(services, accepted)
        return answer(202, {"id": accepted.id, "status": status, "conversation_id": accepted.conversation_id})

    @app.get("/v1/messages/<message_id>")
    def show_message(message_id: UUID) -> Response[Any]:
        """One message with its delivery status and how it came to it."""
        message = find_message(services.database, str(message_id))
        if message is None:
            raise NotFound("there is no message with this id")
        history = [asdict(change) for change in history_of(services.database, message.id)]
        return answer(200, {**asdict(message), "status": message.delivery_status, "history": history})


def _queue(services: Services, accepted: Accepted) -> str:
    try:
        services.queue.put(accepted.id, accepted.conversation_id)
        return mark_queued(services.database, accepted.id)
    except (BotoCoreError, ClientError, VentanaError) as error:
        # It is ours all the same: the row is the outbox, and the sweep queues what was left.
        logger.warning("not_queued", extra={"message_id": accepted.id, "error": type(error).__name__})
        return accepted.status
