"""Conversations, their windows and the statistics by provider."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from ventana.api import views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.operations import Operations
from ventana.api.requests import ProviderName
from ventana.api.services import Services
from ventana.api.windows import whole_window, window_of
from ventana.errors import NotFound
from ventana.schema.conversations import Conversation, find_conversation, list_conversations, statistics
from ventana.schema.lifecycle import conversation_history
from ventana.schema.messages import messages_of

Status = Literal["active", "resolved", "escalated", "closed"]


def register(app: Api, services: Services) -> None:
    """Add the operations that look at conversations."""
    operations = Operations(app, "conversations")

    @operations.get("/v1/conversations", views.ConversationPage)
    def list_all_conversations(
        provider: Annotated[ProviderName | None, Query()] = None,
        status: Annotated[Status | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response[Any]:
        """List conversations, the most recently active first."""
        found = list_conversations(services.database, provider, status, limit)
        shown = [views.ShownConversation(**_fields(each), window=window_of(services, each)) for each in found]
        return answer(200, views.ConversationPage(shown))

    @operations.get("/v1/conversations/<conversation_id>", views.WholeConversation, 404)
    def show_conversation(conversation_id: UUID) -> Response[Any]:
        """Show a conversation with its latest messages, oldest of them first."""
        found = found_conversation(services, conversation_id)
        messages = messages_of(services.database, found.id)
        whole = views.WholeConversation(**_fields(found), window=window_of(services, found), messages=messages)
        return answer(200, whole)

    @operations.get("/v1/conversations/<conversation_id>/window", views.ConversationWindow, 404)
    def show_window(conversation_id: UUID) -> Response[Any]:
        """Show whether free text may be sent, and how long still."""
        return answer(200, whole_window(services, found_conversation(services, conversation_id)))

    @operations.get("/v1/conversations/<conversation_id>/history", views.HistoryPage, 404)
    def show_history(conversation_id: UUID, limit: Annotated[int, Query(ge=1, le=200)] = 100) -> Response[Any]:
        """Show who did what with a conversation, the latest first."""
        found = found_conversation(services, conversation_id)
        history = conversation_history(services.database, found.id, limit)
        return answer(200, views.HistoryPage(found.id, history))

    @operations.get("/v1/stats", views.Statistics)
    def show_statistics() -> Response[Any]:
        """Show the view active_conversations_by_provider."""
        return answer(200, views.Statistics(statistics(services.database)))


def found_conversation(services: Services, conversation_id: UUID) -> Conversation:
    """The conversation with this id. Raises NotFound."""
    conversation = find_conversation(services.database, str(conversation_id))
    if conversation is None:
        raise NotFound("there is no conversation with this id")
    return conversation


def _fields(conversation: Conversation) -> dict[str, Any]:
    return {field.name: getattr(conversation, field.name) for field in fields(conversation)}
