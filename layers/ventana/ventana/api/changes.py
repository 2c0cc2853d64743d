"""What people do with a conversation: escalate, assign, resolve, close, reopen, tag, note, opt out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from ventana.api import views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.callers import audit, caller_of
from ventana.api.conversations import found_conversation
from ventana.api.operations import Operations
from ventana.api.requests import MOST_TAGS, AssignRequest, EscalateRequest, NoteRequest, TagRequest
from ventana.api.services import Services
from ventana.errors import OverLimit
from ventana.schema.lifecycle import Change, change_conversation


def register(app: Api, services: Services) -> None:
    """Add the operations that change conversations; each is in the conversation's history."""
    operations = Operations(app, "conversations")

    def change(conversation_id: UUID, what: Change, detail: Mapping[str, Any] | None = None) -> Response[Any]:
        caller = caller_of(app.current_event)
        changed = change_conversation(services.database, str(conversation_id), what, caller, detail)
        audit(f"conversation_{what}", caller, conversation_id=str(conversation_id), changed=changed)
        return answer(200, views.Changed(str(conversation_id), changed))

    @operations.post("/v1/conversations/<conversation_id>/escalate", views.Changed, 404)
    def escalate(conversation_id: UUID, request: EscalateRequest) -> Response[Any]:
        """Call for a person."""
        return change(conversation_id, "escalate", request.model_dump())

    @operations.post("/v1/conversations/<conversation_id>/assign", views.Changed, 404)
    def assign(conversation_id: UUID, request: AssignRequest) -> Response[Any]:
        """Give a conversation to somebody, or to nobody."""
        return change(conversation_id, "assign", request.model_dump())

    @operations.post("/v1/conversations/<conversation_id>/resolve", views.Changed, 404)
    def resolve(conversation_id: UUID) -> Response[Any]:
        """Mark a conversation as resolved; it becomes active again when the customer writes."""
        return change(conversation_id, "resolve")

    @operations.post("/v1/conversations/<conversation_id>/close", views.Changed, 404)
    def close(conversation_id: UUID) -> Response[Any]:
        """Close a conversation; it becomes active again when the customer writes."""
        return change(conversation_id, "close")

    @operations.post("/v1/conversations/<conversation_id>/reopen", views.Changed, 404)
    def reopen(conversation_id: UUID) -> Response[Any]:
        """Make a conversation active."""
        return change(conversation_id, "reopen")

    @operations.post("/v1/conversations/<conversation_id>/tags", views.Changed, 404)
    def tag(conversation_id: UUID, request: TagRequest) -> Response[Any]:
        """Add and remove tags; a conversation has at most 50."""
        kept = {*found_conversation(services, conversation_id).tags, *request.add} - set(request.remove)
        if len(kept) > MOST_TAGS:
            raise OverLimit("add", MOST_TAGS, f"a conversation has at most {MOST_TAGS} tags")
        return change(conversation_id, "tag", request.model_dump())

    @operations.post("/v1/conversations/<conversation_id>/notes", views.Changed, 404)
    def note(conversation_id: UUID, request: NoteRequest) -> Response[Any]:
        """Leave a note in the history of a conversation."""
        return change(conversation_id, "note", request.model_dump())

    @operations.put("/v1/conversations/<conversation_id>/opt-out", views.Changed, 404)
    def opt_out(conversation_id: UUID) -> Response[Any]:
        """Note that the customer wants nothing but direct answers: no templates and no bulk messages."""
        return change(conversation_id, "opt_out")

    @operations.delete("/v1/conversations/<conversation_id>/opt-out", views.Changed, 404)
    def opt_in(conversation_id: UUID) -> Response[Any]:
        """Note that the customer wants templates and bulk messages again."""
        return change(conversation_id, "opt_in")
