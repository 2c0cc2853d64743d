"""Conversations, their windows and the statistics by provider."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from ventana.api.answers import answer
from ventana.api.requests import ProviderName
from ventana.api.services import Services
from ventana.errors import NotFound
from ventana.schema.conversations import (
    Conversation,
    find_conversation,
    list_conversations,
    messages_of,
    statistics,
)
from ventana.window import window

Status = Literal["active", "resolved", "escalated", "closed"]


def register(app: APIGatewayHttpResolver, services: Services) -> None:
    """Add the routes of conversations."""

    @app.get("/v1/conversations")
    def show_conversations(
        provider: Annotated[ProviderName | None, Query()] = None,
        status: Annotated[Status | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response[Any]:
        """Conversations, the most recently active first."""
        found = list_conversations(services.database, provider, status, limit)
        return answer(200, {"conversations": [_with_window(services, each) for each in found]})

    @app.get("/v1/conversations/<conversation_id>")
    def show_conversation(conversation_id: UUID) -> Response[Any]:
        """One conversation with its latest messages, oldest of them first."""
        conversation = _found(services, conversation_id)
        messages = [asdict(message) for message in messages_of(services.database, conversation.id)]
        return answer(200, {**_with_window(services, conversation), "messages": messages})

    @app.get("/v1/conversations/<conversation_id>/window")
    def show_window(conversation_id: UUID) -> Response[Any]:
        """Whether free text may be sent, and how long still."""
        conversation = _found(services, conversation_id)
        return answer(200, {"conversation_id": conversation.id, **_window(services, conversation)})

    @app.get("/v1/stats")
    def show_statistics() -> Response[Any]:
        """The view active_conversations_by_provider."""
        return answer(200, {"providers": [asdict(row) for row in statistics(services.database)]})

    @app.get("/v1/health")
    def show_health() -> Response[Any]:
        """Whether the database answers."""
        services.database.value("select 1")
        return answer(200, {"status": "ok"})


def _found(services: Services, conversation_id: UUID) -> Conversation:
    conversation = find_conversation(services.database, str(conversation_id))
    if conversation is None:
        raise NotFound("there is no conversation with this id")
    return conversation


def _with_window(services: Services, conversation: Conversation) -> dict[str, Any]:
    return {**asdict(conversation), "window": _window(services, conversation)}


def _window(services: Services, conversation: Conversation) -> dict[str, Any]:
    state = window(
        conversation.last_user_message_at,
        datetime.now(UTC),
        channel=conversation.channel,
        closed_for=conversation.window_closed_for,
        margin=services.margin,
    )
    return {**asdict(state), "needs_template": state.needs_template}
