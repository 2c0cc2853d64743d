"""Conversations, their windows and the statistics by provider."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from ventana.api import inbox_views, views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.cursor import ConversationCursor, conversation_place_of, cursor_to_conversation
from ventana.api.operations import Operations
from ventana.api.requests import ONE_LINE, ProviderName
from ventana.api.services import Services
from ventana.api.windows import whole_window, window_of
from ventana.errors import NotFound
from ventana.providers import PROVIDERS
from ventana.schema.conversation_lists import (
    NEWEST,
    ListedConversation,
    Wanted,
    WindowState,
    conversations_of,
    list_conversations,
)
from ventana.schema.conversations import Conversation, find_conversation, statistics
from ventana.schema.lifecycle import conversation_history
from ventana.schema.messages import messages_of

Status = Literal["active", "resolved", "escalated", "closed"]
NO_NUL = r"^[^\x00]*$"


def register(app: Api, services: Services) -> None:
    """Add the operations that look at conversations."""
    operations = Operations(app, "conversations")

    @operations.get("/v1/conversations", inbox_views.ConversationPage)
    def list_all_conversations(
        provider: Annotated[ProviderName | None, Query()] = None,
        status: Annotated[Status | None, Query()] = None,
        window: Annotated[WindowState | None, Query(description="`closing` is open, and shuts within an hour.")] = None,
        waiting: Annotated[bool | None, Query(description="The customer wrote after our last answer.")] = None,
        assigned_to: Annotated[str | None, Query(max_length=200, pattern=ONE_LINE)] = None,
        q: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=200,
                pattern=NO_NUL,
                description="Words of the customer's name or e-mail, either end of their phone, or words of a message.",
            ),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[ConversationCursor | None, Query(description="`next_cursor` of the page before.")] = None,
    ) -> Response[Any]:
        """List conversations, the most recently active first.

        A page of a filter that no index knows (`window`, `waiting`, `assigned_to`) looks at 5,000 conversations at
        most: it may be short, and still have a `next_cursor`. `q` finds what is latest: at most 200 conversations by
        their customer, and those of 200 messages by their text; the message that one was found by is in `found`.
        """
        wanted = Wanted(provider, status, window, waiting, assigned_to, q)
        place = conversation_place_of(cursor) if cursor else NEWEST
        found, follows = list_conversations(
            services.database,
            wanted,
            limit,
            place,
            now=datetime.now(UTC),
            margin=services.margin,
            providers=sorted(PROVIDERS),
        )
        page = [shown(services, each, each.found) for each in found]
        return answer(200, inbox_views.ConversationPage(page, cursor_to_conversation(follows) if follows else None))

    @operations.get("/v1/conversations/<conversation_id>", inbox_views.WholeConversation, 404)
    def show_conversation(conversation_id: UUID) -> Response[Any]:
        """Show a conversation with its latest messages, oldest of them first."""
        found = conversations_of(services.database, [str(conversation_id)])
        if not found:
            raise NotFound(NONE)
        messages = messages_of(services.database, found[0].id)
        return answer(200, {**asdict(shown(services, found[0])), "messages": [asdict(each) for each in messages]})

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


NONE = "there is no conversation with this id"


def found_conversation(services: Services, conversation_id: UUID) -> Conversation:
    """The conversation with this id. Raises NotFound."""
    conversation = find_conversation(services.database, str(conversation_id))
    if conversation is None:
        raise NotFound(NONE)
    return conversation


def shown(
    services: Services, conversation: ListedConversation, found: dict[str, Any] | None = None
) -> inbox_views.ShownConversation:
    """A conversation as lists show it, and the message that a search found it by."""
    fields = asdict(conversation)
    fields["last_message"] = _timed(inbox_views.LastMessage, fields["last_message"])
    fields["found"] = _timed(inbox_views.FoundMessage, found)
    return inbox_views.ShownConversation(**fields, window=window_of(services, conversation))


def _timed(kind: Any, given: dict[str, Any] | None) -> Any:
    return kind(**{**given, "created_at": datetime.fromisoformat(given["created_at"])}) if given else None
